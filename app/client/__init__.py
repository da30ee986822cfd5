"""The API as commands use it, from anywhere."""
