"""What sources that are programs of others have in common: how they are installed, started, heard and ended."""
