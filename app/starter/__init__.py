"""A first catalogue of one's own data: where they are, what is there, and the text of the file."""
