"""What would change if another catalogue took the place of the one that runs."""
