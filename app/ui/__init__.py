"""The pages for people, which stand on the same operations as the API."""
