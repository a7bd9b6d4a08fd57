"""The object service: bytes and their metadata on disk."""
