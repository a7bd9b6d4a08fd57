"""What client and server write down alike before they sign it.

    path, query, headers as they came ──▶ canonical_path(), canonical_query(), HeaderLines
                                             └──▶ request_text()

All of it is version 4's, S3's variant: the path is decoded and encoded once, not twice. Strings are WSGI's,
one character per byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from urllib.parse import quote, unquote_to_bytes

from .....common.http.wsgi import Environ

_is_plain_path = re.compile(r"[A-Za-z0-9_.~/-]+").fullmatch
_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
is_header_name = re.compile(r"[!#$%&'*+.^_`|~0-9a-zA-Z-]+").fullmatch
_blanks = re.compile(" {2,}")
_BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def raw_path(environ: Environ) -> str:
    """Return the path as it was sent."""
    path: str | None = environ.get("RAW_PATH_INFO")
    if path is not None:
        return path
    return quote(environ["PATH_INFO"].encode("latin-1"))


def canonical_path(path: str) -> str:
    """Return the path, as it was sent, in the one spelling that is signed."""
    if _is_plain_path(path):  # As nearly always; it takes a fifth of the time.
        return path
    return quote(unquote_to_bytes(path.encode("latin-1"))) or "/"


def canonical_query(text: str, *, without: str = "") -> str:
    """Return the query in the order and the spelling that are signed, a parameter left out."""
    if not text:
        return ""
    pairs = sorted(
        (_encoded(name), _encoded(value))
        for name, _, value in (piece.partition("=") for piece in text.split("&") if piece)
    )
    return "&".join([f"{name}={value}" for name, value in pairs if name != without])


def _encoded(text: str) -> str:
    if _is_plain(text):
        return text
    return quote(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe="")


def header_key(name: str) -> str:
    """Return where the environ has a header, by its name in lower case."""
    return _BARE.get(name) or "HTTP_" + name.upper().replace("-", "_")


class HeaderLines:
    """What the same headers of many requests are written down as, a line each."""

    __slots__ = ("_names", "_template", "_values")

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        """Take the signed headers: of each, name and key."""
        self._names = names
        self._template = "".join([f"{name.replace('%', '%%')}:%s\n" for name, _ in names])
        self._values = itemgetter(*(key for _, key in names)) if len(names) > 1 else None

    def of(self, environ: Environ) -> str:
        """Return the lines of a request."""
        if self._values is not None:
            try:
                lines: str = self._template % self._values(environ)
            except KeyError:  # A header that is not there counts as one that says nothing.
                pass
            else:
                if " " not in lines and "\t" not in lines:
                    return lines
        return "".join([f"{name}:{trimmed(environ.get(key) or '')}\n" for name, key in self._names])


def trimmed(value: str) -> str:
    """Return a header's value without the blanks that do not count."""
    if "  " in value:
        value = _blanks.sub(" ", value)
    return value.strip(" \t")


def request_text(
    environ: Environ,
    lines: str,
    signed_names: str,
    payload: str,
    *,
    without: str = "",
    path: Callable[[str], str] = canonical_path,
) -> str:
    """Return the canonical request; `lines` are the signed headers'."""
    spelled = path(raw_path(environ))
    query = environ.get("QUERY_STRING")
    if query:
        query = canonical_query(query, without=without)
    return f"{environ['REQUEST_METHOD']}\n{spelled}\n{query or ''}\n{lines}\n{signed_names}\n{payload}"
