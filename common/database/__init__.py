"""SQLite files that account and container servers share: layout, pending rows, replication."""
