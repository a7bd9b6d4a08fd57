"""Which devices hold a partition: the ring file, its lookup and its builder."""
