"""The HTTP API: routes, their documents and the one mapping from errors to answers. It keeps nothing of its own."""
