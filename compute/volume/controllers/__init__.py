"""What each path does: read the request, ask the core whether it may, write the catalogue, answer.

Call ──▶ controller ──▶ one transaction ──▶ Response        the long rest is a job (see `work`)
"""
