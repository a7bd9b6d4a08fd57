"""The network service's tables, revision by revision."""
