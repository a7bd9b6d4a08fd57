"""How rows of the catalogue look to a client, in the version it asked for.

    row + Viewer(version, is_admin, …) ──▶ view ──▶ a document, as Cinder's API reference has it

A client that names no version gets the oldest form, 3.0; each later member appears from its own version on.
"""
