"""Whether what is stored lies encrypted on the disks: SSE-S3.

    is_encrypting() ──▶ the filter encryption stands in the pipeline, and writes
    answer() ──▶ x-amz-server-side-encryption of what has just been stored; nothing, where that is not so

The store encrypts everything or nothing; the keys are the operator's. No wish is answered with a promise.
"""

from __future__ import annotations

from ....common import info

ALGORITHM = "AES256"
HEADER = "x-amz-server-side-encryption"


def is_encrypting() -> bool:
    """Tell whether what is stored now is encrypted."""
    return bool(info.admin_section("encryption").get("enabled"))


def answer() -> dict[str, str]:
    """Return what an answer says of something that has been stored."""
    return {HEADER: ALGORITHM} if is_encrypting() else {}
