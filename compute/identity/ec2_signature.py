"""Whether a whole request is signed by an access key: what EC2's door of another program asks about.

    secret, the request as {verb, host, path, params, headers, body_hash}, its signature, now
        ──request_holds()──▶ True | False

Amazon's signatures of version 4 (in headers or in the query) and 2. A request older than fifteen minutes,
or of a time to come, is nobody's, whoever signed it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .s3_signature import signing_key

V4 = "AWS4-HMAC-SHA256"
AGE_SECONDS_MAX = 15 * 60


def request_holds(secret: str, asked: Mapping[str, Any], now: float) -> bool:
    """Whether the secret's owner has signed the request, not long ago; `now` is unix seconds."""
    verb, host, path, body_hash, signature = (
        str(asked.get(name, "")) for name in ("verb", "host", "path", "body_hash", "signature")
    )
    params, headers = _texts(asked.get("params")), _texts(asked.get("headers"))
    if params.get("SignatureVersion") == "2":
        text = f"{verb}\n{host.lower()}\n{path}\n{_query(params)}"
        digest = {"HmacSHA256": "sha256", "HmacSHA1": "sha1"}.get(params.get("SignatureMethod", ""))
        if digest is None or not _is_fresh(params.get("Timestamp", ""), "%Y-%m-%dT%H:%M:%S", now):
            return False
        expected = base64.b64encode(hmac.digest(secret.encode(), text.encode(), digest)).decode()
        return hmac.compare_digest(expected.encode(), signature.encode())
    words = _version_4(params, headers)
    if words is None:
        return False
    scope = words["Credential"].split("/")[1:]
    date = words["Date"]
    if len(scope) != 4 or not date.startswith(scope[0]) or not _is_fresh(date, "%Y%m%dT%H%M%S", now):
        return False
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    names = words["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{lowered.get(name, '')}\n" for name in names)
    query = "" if verb.upper() == "POST" else _query(params)
    canonical = "\n".join((verb.upper(), path, query, lines, words["SignedHeaders"], body_hash))
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = signing_key(secret, [word.encode() for word in scope])
    expected = hmac.digest(key, f"{V4}\n{date}\n{'/'.join(scope)}\n{hashed}".encode(), "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _version_4(params: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return what a signature of version 4 says of itself, None where it is none."""
    authorization = headers.get("Authorization", "")
    if authorization.startswith(V4):
        said = (part.strip().partition("=") for part in authorization.removeprefix(V4).split(","))
        words = {name: value for name, _mark, value in said}
    elif params.get("X-Amz-Algorithm") == V4:
        words = {name: params.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders")}
    else:
        return None
    words["Date"] = headers.get("X-Amz-Date") or params.get("X-Amz-Date", "")
    return words if words.get("Credential") and words.get("SignedHeaders") else None


def _query(params: Mapping[str, str]) -> str:
    """Return the parameters in the form that is signed; a signature is not part of what it signs."""
    unsigned = {name: value for name, value in params.items() if name not in ("Signature", "X-Amz-Signature")}
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(unsigned[name], safe='-_.~')}" for name in sorted(unsigned)
    )


def _is_fresh(text: str, form: str, now: float) -> bool:
    try:
        moment = datetime.strptime(text.rstrip("Z").partition(".")[0], form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - moment.timestamp()) <= AGE_SECONDS_MAX


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(one) for key, one in value.items()} if isinstance(value, dict) else {}
