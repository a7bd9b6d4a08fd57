"""Making a WSGI environ out of a request's head.

    base (one per connection) + head ──▶ environ

Whatever bytes a client sends come out as WSGI strings, one character per byte; nothing is normalised.
Paths keep `//`, `.`, `..` and `;`; the path as it was sent stays to be had in `RAW_PATH_INFO`.

Nearly every head is made of header names that have been seen before, visible characters and single blanks.
Such a one is cut up in one go, for half of what judging each line costs; any other goes to `head`, which
says whether it is wrong. And nearly every head has the same names in the same order as others before it: for
the forms that come most one pattern each is kept, which takes another third off. It does not know bodies, nor
sockets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import orjson

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
_FORMS_MAX = 4  # Of a method; each that is tried in vain costs a tenth of what the right one saves.
_PATIENCE_MAX = 4096


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
    text = head.decode("latin-1")
    forms = _forms.get(text[:3])
    if forms is None:
        return _closely_read(head, base, headers_max)
    for match, keys in forms.known:
        found = match(text)
        if found is not None:
            ends = len(keys) - 1
            if ends > headers_max or not _is_tidy(text, ends):
                break
            environ = base.copy()
            values = found.groups()
            for key, value in zip(keys, values):  # noqa: B905 - asking for that costs a tenth of it all
                environ[key] = value
            _add_request_line(environ, forms.method, values[0])
            return environ, 1
    return _line_by_line(head, text, base, headers_max)


def _is_tidy(text: str, ends: int) -> bool:
    """Whether a head in a known form is free of blanks around values and of invisible characters.

    orjson writes something longer in the place of each control character, quote and backslash, and finds them
    in a third of the time of `translate`.
    """
    return (
        " \r" not in text
        and text[-1] != " "
        and "\x7f" not in text
        and (
            len(orjson.dumps(text)) == len(text) + 2 + 2 * ends
            or text.encode("latin-1").translate(None, _VISIBLE) == b"\r\n" * ends
        )
    )


def _line_by_line(head: bytes, text: str, base: Environ, headers_max: int) -> tuple[Environ, int]:
    """Do it for a head of names that have been seen, in whatever order."""
    environ = base.copy()
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
    _add_request_line(environ, method, target)
    _forms[method[:3]].miss(lines)
    return environ, 1


def _add_request_line(environ: Environ, method: str, target: str) -> None:
    environ["REQUEST_METHOD"] = method
    environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["RAW_PATH_INFO"] = path
    environ["PATH_INFO"] = _unquoted(path) if "%" in path else path


class _Forms:
    """The forms of heads that are known for one method: a pattern each, and the keys of its groups.

    A form is learned from every 16th head that has none, then from every 32nd, and so on: making a pattern
    takes a millisecond, and whoever sends a new form each time shall not have it spent each time.
    """

    __slots__ = ("_misses", "_patience", "known", "method")

    def __init__(self, method: str) -> None:
        self.method = method
        self.known: list[tuple[Callable[[str], re.Match[str] | None], tuple[str, ...]]] = []
        self._misses = 0
        self._patience = 16

    def miss(self, lines: list[str]) -> None:
        """Take note of a head that was read line by line, each of whose names comes once."""
        self._misses += 1
        if self._misses < self._patience:
            return
        self._misses = 0
        self._patience = min(2 * self._patience, _PATIENCE_MAX)
        names = [line.partition(": ")[0] for line in lines[1:]]
        pattern = rf"{self.method} (/[^ ]*) HTTP/1\.1" + "".join(
            [rf"\r\n{re.escape(name)}: ([^ ].*)" for name in names]
        )
        known = re.compile(pattern).fullmatch, ("RAW_PATH_INFO", *[_keys[name] for name in names])
        self.known = [known, *self.known[: _FORMS_MAX - 1]]


_forms = {method[:3]: _Forms(method) for method in _METHODS}  # No two methods begin alike.


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
