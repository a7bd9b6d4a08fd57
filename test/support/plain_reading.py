r"""HTTP/1.1 read in the plainest way, by the letter of the engine's policy, as a yardstick for the engine.

plain_reading(bytes) ──▶ Reading(requests, ending)

It has the whole conversation in hand, looks at one line after the other, and shares no code with the engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NAME = re.compile(rb"[\x21-\x39\x3b-\x7e\x80-\xff]+")
TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,15}")
DRAIN_BYTES_MAX = 65536


class Refusal(Exception):
    """These bytes are against the policy."""


class Incomplete(Exception):
    """These bytes are the beginning of something."""


@dataclass(slots=True)
class Reading:
    """What a conversation says: whole requests, and how it ends: closed, refused or incomplete."""

    requests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    ending: str = "closed"


def plain_reading(data: bytes) -> Reading:
    """Read all that a client sends before it ends the connection."""
    reading = Reading()
    try:
        while data:
            if data.startswith(b"\r\n"):
                data = data[2:]
                continue
            method, target, headers, minor, data = _head(data)
            body, data = _body(headers, minor, data)
            reading.requests.append((method, target, body))
            tokens = [token.strip(b" \t") for token in headers.get(b"connection", b"").lower().split(b",")]
            if b"close" in tokens or (minor == 0 and b"keep-alive" not in tokens):
                break
    except Refusal:
        reading.ending = "refused"
    except Incomplete:
        reading.ending = "incomplete"
    return reading


def _line(data: bytes) -> tuple[bytes, bytes]:
    line, end, rest = data.partition(b"\n")
    if not end:
        raise Incomplete
    if not line.endswith(b"\r") or b"\r" in line[:-1] or len(line) + 1 >= 8192:
        raise Refusal
    return line[:-1], rest


def _head(data: bytes) -> tuple[bytes, bytes, dict[bytes, bytes], int, bytes]:
    if b"\r\n\r\n" not in data:
        raise Incomplete  # A server may also refuse it already.
    line, data = _line(data)
    words = line.split(b" ")
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or not TARGET.fullmatch(words[1]):
        raise Refusal
    version = re.fullmatch(rb"HTTP/1\.([0-9])", words[2])
    target = words[1]
    if version is None:
        raise Refusal
    if re.match(rb"(?i)https?://", target):
        target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
    elif not target.startswith(b"/") and (target != b"*" or words[0] != b"OPTIONS"):
        raise Refusal
    headers: dict[bytes, bytes] = {}
    count = 0
    while True:
        line, data = _line(data)
        if not line:
            break
        count += 1
        name, colon, value = line.partition(b":")
        if not colon or not NAME.fullmatch(name) or not VALUE.fullmatch(value) or count > 126:
            raise Refusal
        _add(headers, name.lower(), value.strip(b" \t"))
    return words[0], target.partition(b"?")[0], headers, min(1, int(version[1])), data


def _add(headers: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    dashed = name.replace(b"_", b"-")
    once = (b"content-length", b"transfer-encoding", b"host", b"expect")
    if dashed != name and dashed in (*once, b"connection"):
        raise Refusal
    if name in headers:
        if name in once:
            raise Refusal
        value = headers[name] + b"," + value
    headers[name] = value


def _body(headers: dict[bytes, bytes], minor: int, data: bytes) -> tuple[bytes, bytes]:
    encoding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if minor and headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refusal
    if encoding is not None:
        if encoding.lower() != b"chunked" or length is not None or minor == 0:
            raise Refusal
        return _chunked(data)
    if length is None:
        return b"", data
    if not re.fullmatch(rb"[0-9]{1,18}", length):
        raise Refusal
    if len(data) < int(length):
        raise Incomplete
    return data[: int(length)], data[int(length) :]


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, data = _line(data)
        size, semicolon, extension = line.partition(b";")
        if not HEXADECIMAL.fullmatch(size.rstrip(b" \t") if semicolon else size) or not VALUE.fullmatch(
            extension
        ):
            raise Refusal
        count = int(size, 16)
        if not count:
            return body, _trailers(data)
        if len(data) < count + 2:
            if len(data) > count and data[count:] != b"\r":
                raise Refusal
            raise Incomplete
        if data[count : count + 2] != b"\r\n":
            raise Refusal
        body, data = body + data[:count], data[count + 2 :]


def _trailers(data: bytes) -> bytes:
    while True:
        line, data = _line(data)
        if not line:
            return data
        name, colon, value = line.partition(b":")
        if not colon or not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise Refusal
