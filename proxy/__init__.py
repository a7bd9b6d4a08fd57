"""The front: stateless, finds the replicas, asks them, decides."""
