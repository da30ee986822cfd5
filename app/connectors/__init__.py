"""Sources and destinations: what Syncline can read from and write to."""
