"""The HTTP API: routes, documents, and the one mapping from errors to answers. It has no state of its own."""
