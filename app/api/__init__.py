"""The HTTP API: routes, documents, and the one mapping from errors to responses. It has no state of its own."""
