"""Whether a signature over a text holds: what S3's door of another program asks about.

    secret, text to sign (base64), signature ──holds()──▶ True | False

AWS4-HMAC-SHA256's text names day, region and service, from which its key follows; any other is signed with
HMAC-SHA1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable

V4 = b"AWS4-HMAC-SHA256"


def signing_key(secret: str, scope: Iterable[bytes]) -> bytes:
    """Return the key of version 4 that signs for a day, region and service, and nothing else."""
    key = b"AWS4" + secret.encode()
    for word in scope:
        key = hmac.digest(key, word, "sha256")
    return key


def holds(secret: str, text: str, signature: str) -> bool:
    """Whether the secret's owner has signed the text."""
    try:
        signed = base64.urlsafe_b64decode(text)
    except (ValueError, binascii.Error):
        return False
    lines = signed.split(b"\n")
    if lines[0] != V4:
        expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha1")).decode()
        return hmac.compare_digest(expected.encode(), signature.encode())
    if len(lines) != 4 or lines[2].count(b"/") != 3:
        return False
    key = signing_key(secret, lines[2].split(b"/"))
    return hmac.compare_digest(hmac.digest(key, signed, "sha256").hex().encode(), signature.encode())
