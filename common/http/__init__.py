"""The HTTP engine: server, client and what flows between them."""
