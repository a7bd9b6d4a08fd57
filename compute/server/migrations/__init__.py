"""The schema of the server service, revision by revision."""
