"""Third-party programs as sources and destinations: how they are installed, started, read and stopped."""
