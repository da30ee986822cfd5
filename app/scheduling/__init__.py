"""Turns due schedules into tasks, with exactly one outcome per fire time, on any number of replicas."""
