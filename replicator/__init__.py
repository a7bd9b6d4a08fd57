"""What makes copies agree: database replication and object replication."""
