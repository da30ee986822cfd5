"""How fast Syncline is, compared with its peers and with the best that PostgreSQL could do: `make bench`."""
