"""Making a WSGI environ out of a request's head.

    base (one per connection) + head ──▶ environ

Whatever bytes a client sends come out as WSGI strings, one character per byte; nothing is normalised.
Paths keep `//`, `.`, `..` and `;`; the path as it was sent stays to be had in `RAW_PATH_INFO`.

Nearly every head is made of header names that have been seen before, visible characters and single blanks.
Such a one is cut up in one go, for a third of what judging each line costs; any other goes to `head`, which
says whether it is wrong. It does not know bodies, nor sockets.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .errors import BadFraming
from .head import Headers, header_lines, request_line
from .wsgi import Environ

_BARE = ("CONTENT_LENGTH", "CONTENT_TYPE")
_ONCE = frozenset(("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST", "HTTP_EXPECT"))
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_VISIBLE = bytes(byte for byte in range(0x20, 0x100) if byte != 0x7F)  # And the blank.
_METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS", "REPLICATE", "UPDATE"))
_MEMO_MAX = 4096  # Clients choose header names; the memo must not grow with their fancy.
_keys: dict[str, str] = {}  # By header names that `head` has accepted.


def environ_key(name: str) -> str:
    """Return the environ key of a header name; only ASCII letters change their case."""
    words = name.encode("latin-1").upper().replace(b"-", b"_").decode("latin-1")
    key = words if words in _BARE else f"HTTP_{words}"
    if "_" in name and (key in _ONCE or key == "HTTP_CONNECTION"):
        raise BadFraming("A header that frames the message is spelt with an underscore")
    if len(_keys) < _MEMO_MAX:
        _keys[name] = key
    return key


def environ_of(head: bytes, base: Environ, headers_max: int) -> tuple[Environ, int]:
    """Return a request's environ, which begins as a copy of the connection's, and the minor version of HTTP.

    The head is the request line and the header lines, with CRLF between them.

    Raises:
        BadFraming: when it is no request's head.
    """
    environ = base.copy()
    text = head.decode("latin-1")
    lines = text.split("\r\n")
    rows, keys = iter(lines), _keys
    try:
        method, target, version = next(rows).split(" ")
        for row in rows:
            name, _, value = row.partition(": ")
            environ[keys[name]] = value
            if not value:
                return _closely_read(head, base, headers_max)
    except (KeyError, ValueError):
        return _closely_read(head, base, headers_max)
    ends = len(lines) - 1
    if (
        method not in _METHODS
        or version != "HTTP/1.1"
        or target[:1] != "/"
        or ends > headers_max
        or len(environ) != len(base) + ends  # Each came once.
        or ":  " in text
        or " \r\n" in text
        or text[-1] == " "
        or head.translate(None, _VISIBLE) != b"\r\n" * ends
    ):
        return _closely_read(head, base, headers_max)
    environ["REQUEST_METHOD"] = method
    environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["RAW_PATH_INFO"] = path
    environ["PATH_INFO"] = _unquoted(path) if "%" in path else path
    return environ, 1


def _unquoted(path: str) -> str:
    return unquote_to_bytes(path.encode("latin-1")).decode("latin-1")


def _closely_read(head: bytes, base: Environ, headers_max: int) -> tuple[Environ, int]:
    """Do it for any head, or say what is wrong with it."""
    environ = base.copy()
    line, _, block = (head + b"\r\n").partition(b"\r\n")
    method, target, minor = request_line(line)
    raw_path, _, query = target.partition(b"?")
    host = b""
    if not target.startswith(b"/"):
        host, raw_path, query = _other_form(method, target)
    environ["REQUEST_METHOD"] = method
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if minor else "HTTP/1.0"
    environ["QUERY_STRING"] = query.decode("latin-1")
    environ["RAW_PATH_INFO"] = raw_path.decode("latin-1")
    environ["PATH_INFO"] = _unquoted(environ["RAW_PATH_INFO"])
    _add_headers(environ, header_lines(block, headers_max))
    if host:
        environ["HTTP_HOST"] = host.decode("latin-1")
    return environ, minor


def _add_headers(environ: Environ, headers: Headers) -> None:
    for name, value in headers:
        name_text, text = name.decode("latin-1"), value.decode("latin-1")
        key = _keys.get(name_text) or environ_key(name_text)
        if key in environ:
            if key in _ONCE:
                raise BadFraming(f"{name_text} is given twice")
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text


def _other_form(method: str, target: bytes) -> tuple[bytes, bytes, bytes]:
    """Return host, path and query of a target that is no path: a whole URL, or `*`."""
    match = _ABSOLUTE.fullmatch(target)
    if match is not None:
        path, _, query = match[2].partition(b"?")
        return match[1], path or b"/", query
    if target == b"*" and method == "OPTIONS":
        return b"", b"*", b""
    raise BadFraming("The request target is neither a path nor a URL")
