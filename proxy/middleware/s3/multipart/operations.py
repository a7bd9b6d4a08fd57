"""Which function serves which request of an upload in several parts."""

from __future__ import annotations

from . import aborting, completing, parts, shown, uploads

OPERATIONS = {
    ("bucket", "GET", "uploads"): shown.list_uploads,
    ("object", "POST", "uploads"): uploads.create,
    ("object", "PUT", "uploadId"): parts.put,
    ("object", "GET", "uploadId"): shown.list_parts,
    ("object", "POST", "uploadId"): completing.serve,
    ("object", "DELETE", "uploadId"): aborting.serve,
}
