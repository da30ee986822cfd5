"""Carrying tasks out: claim, attempt, log, end; and taking over from workers that are gone."""
