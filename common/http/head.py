"""Reading the head of an HTTP message, strictly and in one pass.

    bytes so far ──head_end──▶ -1: more is needed      (or BadFraming: it can never become a head)
                       └─────▶ end ──request_line, header_lines──▶ method, target, version, headers
                                 └──status_line, header_lines──▶ status, reason, version, headers

Lines in the form that everybody sends are split by one pattern, in a third of the time that httptools
(llhttp) takes for it, which judges all others. Request lines are split here, because llhttp knows a fixed
list of methods and REPLICATE is none of them. It also refuses names that are no tokens (bytes above 127, or
`Foo=5FBar`), which Swift's clients and middleware do send in metadata; `header_lines_plainly` reads
those, and says what is wrong with what llhttp refuses.

Decisions, fixed: lines end with CRLF, a bare LF or CR is refused; a folded line is refused; empty lines
before a request line are skipped; a request line or header line of 8192 bytes with its CRLF is too long
(414, 400), more than 126 headers are too many for a client (400), more than 201 for anybody (431); a head is
at most 64 KiB. No socket here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from httptools import HttpParserError, HttpRequestParser

from .errors import BadFraming

Headers = list[tuple[bytes, bytes]]

LINE_BYTES_MAX = 8192  # Stock Swift's figure for request line and header line, CRLF included.
HEADERS_MAX = 126  # Of a client's request, as in stock Swift: 90 of metadata and 36 others.
INNER_HEADERS_MAX = 201  # Between proxy and servers, who add some of their own: stock Swift's 1.6 times that.
HEAD_BYTES_MAX = 65536  # Stock Swift's bound for all header lines together.

_TOKEN = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
_REQUEST_LINE = re.compile(rb"([" + _TOKEN + rb"]+) ([^\x00-\x20\x7f]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_NAME = re.compile(rb"[" + _TOKEN + rb"]+")
# Stock's s3api and its clients name metadata Foo=5FBar, and whatever else is visible.
_HEADER_LINE = re.compile(rb"([\x21-\x39\x3b-\x7e\x80-\xff]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
# One blank behind the colon, single ones inside the value: a whole line, or no match. Possessive, since what
# strangers send must not make it try one division of a value after the other.
_ordinary_lines = re.compile(
    rb"^([!#$%&'*+\-.^_`|~0-9A-Za-z]++): ((?:[^\x00-\x20\x7f]++(?: [^\x00-\x20\x7f]++)*+)?+)\r\n",
    re.MULTILINE,
).findall
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class _Collector(list[tuple[bytes, bytes]]):
    """The list that llhttp fills."""

    __slots__ = ()

    def on_header(self, *header: bytes) -> None:
        self.append(header)  # type: ignore[arg-type]  # llhttp gives a name and a value


def head_end(data: bytes) -> int:
    """Return where the head ends, past its empty line, or -1 while it is incomplete.

    Raises:
        BadFraming: as soon as no continuation could make it acceptable.
    """
    end = data.find(b"\r\n\r\n") + 4
    if end > 3 and end <= LINE_BYTES_MAX:
        return end
    return _long_head_end(data, end if end > 3 else -1)


def _long_head_end(data: bytes, end: int) -> int:
    """Look closer at a head that is incomplete or large."""
    head = data if end < 0 else data[:end]
    first = head.find(b"\r\n")
    if first + 2 >= LINE_BYTES_MAX or (first < 0 and len(head) >= LINE_BYTES_MAX):
        raise BadFraming("Request Line Too Long", 414)
    if max(map(len, head.split(b"\r\n"))) + 2 >= LINE_BYTES_MAX:
        raise BadFraming("Header Line Too Long")
    if len(head) - first > HEAD_BYTES_MAX:
        raise BadFraming("Headers Too Large")
    if _BARE_LINE_FEED.search(head):
        raise BadFraming("A line ends without a carriage return")
    return end


def request_line(line: bytes) -> tuple[str, bytes, int]:
    """Return method, target as sent, and the minor version; HTTP/1.2 and above are taken as 1.1."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        method, target, minor = match.groups()
        return method.decode("ascii"), target, 1 if minor == b"1" else 0
    words = line.split(b" ")
    version = _VERSION.fullmatch(words[-1])
    if len(words) == 3 and version is not None:
        if version[1] != b"1":
            raise BadFraming("This HTTP version is not spoken here", 505)
        if version[2] not in b"01":
            return request_line(b" ".join((words[0], words[1], b"HTTP/1.1")))
    raise BadFraming("The request line is not METHOD TARGET HTTP/1.1")


@lru_cache(maxsize=256)
def status_line(line: bytes) -> tuple[int, str, int]:
    """Return status, reason and minor version of an answer."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadFraming("The status line is not HTTP/1.1 STATUS REASON")
    return int(match[2]), (match[3] or b"").decode("latin-1"), int(match[1])


def header_lines(block: bytes, headers_max: int = INNER_HEADERS_MAX) -> Headers:
    """Return the headers of a block of lines, each of which ends with CRLF, as they were sent.

    Blanks around a value are not part of it.

    Raises:
        BadFraming: when a line is no header line.
    """
    ordinary: Headers = _ordinary_lines(block)
    if len(ordinary) == block.count(b"\n"):
        _check_count(len(ordinary), headers_max)
        return ordinary
    headers = _Collector()
    try:
        # The letter behind the block makes the parser give out the last header but judge no body.
        HttpRequestParser(headers).feed_data(b"GET / HTTP/1.1\r\n" + block + b"A")
    except HttpParserError as problem:
        plain = header_lines_plainly(block, headers_max)
        if all(_NAME.fullmatch(name) for name, _ in plain) and not _is_about_length(plain):
            raise BadFraming(f"The headers are malformed: {problem}") from problem
        return plain
    if len(headers) != block.count(b"\n"):
        raise BadFraming("The headers are malformed")
    _check_count(len(headers), headers_max)
    if b" \r\n" in block or b"\t\r\n" in block:
        return [(name, value.rstrip(b" \t")) for name, value in headers]
    return headers


def header_texts(block: bytes) -> list[tuple[str, str]]:
    """Return the headers of an answer as WSGI strings."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in header_lines(block)]


def header_lines_plainly(block: bytes, headers_max: int = INNER_HEADERS_MAX) -> Headers:
    """Do the same without llhttp; names may hold any visible byte but a colon."""
    assert block.endswith(b"\r\n")
    lines = block[:-2].split(b"\r\n")
    _check_count(len(lines), headers_max)
    headers = []
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            raise BadFraming("A header line is not NAME: VALUE")
        headers.append((match[1], match[2].rstrip(b" \t")))
    return headers


def _check_count(count: int, headers_max: int) -> None:
    """Refuse too many headers as stock Swift does: 431 from its engine's limit on, 400 below."""
    if count > headers_max:
        raise BadFraming("Too many headers", 431 if count > INNER_HEADERS_MAX else 400)


def _is_about_length(headers: Headers) -> bool:
    """Whether llhttp may have refused the length headers, which are `framing`'s to judge."""
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers)
