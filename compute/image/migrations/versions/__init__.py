"""One module for each revision; their order is a line."""
