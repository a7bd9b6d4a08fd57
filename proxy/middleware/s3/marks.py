"""What S3's door leaves in a request's environ for the filters behind it."""

from __future__ import annotations

OPERATION = "apus.s3_operation"
"""Where a request carries what it is for, once that is known to be S3's."""
