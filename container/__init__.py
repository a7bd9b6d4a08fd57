"""The container service: which objects a container has."""
