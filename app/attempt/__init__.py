"""The child process of one attempt: copies one collection and tells its worker about it."""
