"""How fast Syncline is, beside its peers and beside what PostgreSQL could do at best: `make bench`."""
