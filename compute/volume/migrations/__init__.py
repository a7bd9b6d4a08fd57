"""The revisions of this service's tables, applied at start."""
