"""Making a WSGI environ out of a request's head, in one pass over its headers.

    base (one per connection) + method, target, headers ──▶ environ

Whatever bytes a client sends come out as WSGI strings, one character per byte; nothing is normalised.
Paths keep `//`, `.`, `..` and `;`; what was sent stays to be had in `apus.raw_path` and `apus.headers`.
It does not know bodies, nor sockets.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .errors import BadFraming
from .head import Headers
from .wsgi import Environ

_BARE = ("CONTENT_LENGTH", "CONTENT_TYPE")
_ONCE = frozenset(("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST", "HTTP_EXPECT"))
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_MEMO_MAX = 4096  # Clients choose header names; the memo must not grow with their fancy.
_keys: dict[bytes, str] = {}


def environ_key(name: bytes) -> str:
    """Return the environ key of a header name; only ASCII letters change their case."""
    words = name.upper().replace(b"-", b"_").decode("latin-1")
    key = words if words in _BARE else f"HTTP_{words}"
    if b"_" in name and (key in _ONCE or key == "HTTP_CONNECTION"):
        raise BadFraming("A header that frames the message is spelt with an underscore")
    if len(_keys) < _MEMO_MAX:
        _keys[name] = key
    return key


def fill(environ: Environ, method: str, target: bytes, headers: Headers) -> None:
    """Put the request into the environ, which begins as a copy of the connection's base."""
    raw_path, _, query = target.partition(b"?")
    environ["REQUEST_METHOD"] = method
    host = b""
    if not target.startswith(b"/"):
        host, raw_path, query = _other_form(method, target)
    text = raw_path.decode("latin-1")
    environ["RAW_PATH_INFO"] = text
    environ["PATH_INFO"] = unquote_to_bytes(raw_path).decode("latin-1") if "%" in text else text
    environ["QUERY_STRING"] = query.decode("latin-1")
    environ["apus.raw_path"] = raw_path
    environ["apus.headers"] = headers
    keys = _keys
    for name, value in headers:
        key = keys.get(name) or environ_key(name)
        text = value.decode("latin-1")
        if key in environ:
            if key in _ONCE:
                raise BadFraming(f"{name.decode('latin-1')} is given twice")
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    if host:
        environ["HTTP_HOST"] = host.decode("latin-1")


def _other_form(method: str, target: bytes) -> tuple[bytes, bytes, bytes]:
    """Return host, path and query of a target that is no path: a whole URL, or `*`."""
    match = _ABSOLUTE.fullmatch(target)
    if match is not None:
        path, _, query = match[2].partition(b"?")
        return match[1], path or b"/", query
    if target == b"*" and method == "OPTIONS":
        return b"", b"*", b""
    raise BadFraming("The request target is neither a path nor a URL")
