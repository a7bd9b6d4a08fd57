"""One client request on its way through the proxy.

    environ ──▶ Call.of() ──▶ account, container, name, timestamp, wire path ──▶ controllers

Decoded once, here; it knows no ring, no backend and no settings.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from ..common.constraints import Constraints, is_valid_name
from ..common.errors import Refused
from ..common.http.wsgi import Environ, from_wsgi
from ..common.timestamp import Timestamp, now

_IS_SAFE = re.compile(r"[A-Za-z0-9_.~/-]+").fullmatch  # What quote() leaves alone, at a fifth of its cost.
INVALID_TEXT = "Invalid UTF8 or contains NULL"


@dataclass(slots=True)
class Call:
    """What the client wants of which thing; None marks a level that the path does not reach."""

    environ: Environ
    method: str
    version: str
    account: str
    container: str | None
    name: str | None
    timestamp: Timestamp
    trans_id: str

    @property
    def path(self) -> str:
        """Return the thing's percent-encoded path as storage servers are asked for it."""
        path = self.account
        if self.container is not None:
            path = f"{path}/{self.container}"
            if self.name is not None:
                path = f"{path}/{self.name}"
        return "/" + (path if _IS_SAFE(path) else quote(path, errors="surrogateescape"))

    @property
    def query_string(self) -> str:
        """Return the query as sent."""
        text: str = self.environ.get("QUERY_STRING") or ""
        return text

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters; of repeated ones the last counts."""
        text = self.query_string
        return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape")) if text else {}

    def header(self, key: str) -> str | None:
        """Return a header by its environ key without HTTP_, as `X_NEWEST`."""
        value: str | None = self.environ.get("HTTP_" + key)
        return value

    def says_yes(self, key: str) -> bool:
        """Tell whether a boolean header is set to a true value."""
        value = self.environ.get("HTTP_" + key)
        return value is not None and value.strip().lower() in ("true", "1", "yes", "on", "t", "y")

    @property
    def is_owner(self) -> bool:
        """Tell whether an auth filter has found the asker to own the account."""
        return bool(self.environ.get("apus.owner") or self.environ.get("swift_owner"))


def call_of(environ: Environ, limits: Constraints) -> Call:
    """Read the request line and the proxy's own headers.

    Raises:
        Refused: with 412, 404 or 400 for a path that names nothing.
    """
    path: str = environ["PATH_INFO"]
    if not path.isascii() or "\0" in path:  # What is plain ASCII needs no second look.
        path = from_wsgi(path)
        if not _is_valid_path(path, environ):
            raise Refused(INVALID_TEXT, 412)
    version, account, container, name = _pieces(path)
    if account is None:
        raise Refused("Bad URL", 412)
    if version not in limits.valid_api_versions:
        raise Refused(f"Invalid path: there is no API version {version}")
    trans_id = environ.get("swift.trans_id")
    if trans_id is None:
        trans_id = environ["swift.trans_id"] = _new_trans_id()
    moment = _timestamp(environ) if "HTTP_X_TIMESTAMP" in environ else now()
    return Call(environ, environ["REQUEST_METHOD"], version, account, container, name, moment, trans_id)


def has_body(environ: Environ) -> bool:
    """Tell whether a request that must have no body has one; without a length, its first byte is taken."""
    length: str | None = environ.get("CONTENT_LENGTH")
    return length.strip() != "0" if length else bool(environ["wsgi.input"].read(1))


def _is_valid_path(path: str, environ: Environ) -> bool:
    if "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES" in environ:
        path = path.replace("\0", "")
    return is_valid_name(path)


def _pieces(path: str) -> tuple[str, str | None, str | None, str | None]:
    """Return version, account, container and object name; a trailing slash names no level."""
    parts = path.split("/", 4)
    if len(parts) == 5 and not parts[0] and all(parts[1:]):
        return parts[1], parts[2], parts[3], parts[4]  # An object, as nearly always.
    pieces: list[str | None] = list(parts)
    if len(pieces) < 2 or pieces[0] != "" or not pieces[1]:
        raise Refused(f"Invalid path: {path}", 404)
    if pieces[-1] == "":
        pieces.pop()
    if not all(pieces[1:]):
        raise Refused(f"Invalid path: {path}", 404)
    pieces += [None] * (5 - len(pieces))
    assert pieces[1] is not None
    return pieces[1], pieces[2], pieces[3], pieces[4]


def _timestamp(environ: Environ) -> Timestamp:
    text = environ["HTTP_X_TIMESTAMP"]
    try:
        return Timestamp.parse(text)
    except ValueError as problem:
        raise Refused(f"X-Timestamp should be a UNIX timestamp, not {text!r}") from problem


def _new_trans_id() -> str:
    # Unique, not secret: the system's randomness would cost a call into the kernel.
    return f"tx{random.getrandbits(84):021x}-{int(time.time()):010x}"
