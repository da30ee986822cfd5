"""The child process of one attempt: copies one collection and reports to its worker."""
