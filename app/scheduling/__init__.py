"""Schedules that are due become tasks, each fire time exactly once, whoever looks first."""
