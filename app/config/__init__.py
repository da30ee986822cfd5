"""Settings from the environment and the YAML catalogue of sources, collections and destinations."""
