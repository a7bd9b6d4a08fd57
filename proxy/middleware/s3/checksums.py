"""The checksums that S3's clients send along, and get back.

    x-amz-checksum-crc32: …  ──announced()──▶ Announced: value known now ─┐
    x-amz-trailer: …         ──announced()──▶ Announced: value behind body ┴─keep()──▶ stored with the object
    the store's headers ──shown()──▶ x-amz-checksum-…, x-amz-checksum-type
    checksums of parts  ──composite(), full_object()──▶ the checksum of what was joined

One object has one checksum: system metadata s3api-checksum-ALGORITHM, in base64; a composite one, which is of
the parts' checksums, ends in `-` and their number. That a body is what it says is for payload.py to see.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ....common import crc32c, crc64nvme
from ....common.crc_joining import joined
from ....common.http.wsgi import Environ
from ...footers import FOOTERS
from .errors import S3Error
from .sieve import Sieve

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
RECEIVED = "apus.s3_checksum"
"""Where an environ keeps what was announced of its body."""
STORED = "x-object-sysmeta-s3api-checksum-"
_HEADER = "x-amz-checksum-"
_ANY = "HTTP_X_AMZ_CHECKSUM_"
_NO_VALUES = frozenset(("ALGORITHM", "TYPE", "MODE"))
_composite = re.compile(r"(.+)-(\d{1,5})").fullmatch
_Crc = Callable[[int, Any], int]


class Digest(Protocol):
    """A checksum under way."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of what came so far."""


class _CrcDigest:
    """A CRC under way, as a hash is."""

    __slots__ = ("_bytes", "_crc", "_extend")

    def __init__(self, extend: _Crc, size: int) -> None:
        self._extend = extend
        self._bytes = size
        self._crc = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        self._crc = self._extend(self._crc, data)

    def digest(self) -> bytes:
        """Return the checksum of what came so far."""
        return self._crc.to_bytes(self._bytes, "big")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to sum up a body."""

    name: str
    size: int
    """Bytes of a checksum."""
    begin: Callable[[], Digest]
    polynomial: int | None = None
    """A CRC's, bit-reflected: only CRCs of parts can become the CRC of the whole."""

    @property
    def header(self) -> str:
        """The header that says it."""
        return _HEADER + self.name.lower()

    def raw(self, text: str) -> bytes | None:
        """Return the checksum that a text in base64 says, or None."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != self.size or base64.b64encode(raw).decode("ascii") != text:
            return None  # Bits that mean nothing would be lost, and another text told of the object.
        return raw


def _crc32(crc: int, data: Any) -> int:
    return zlib.crc32(data, crc)


def _crc_algorithm(name: str, size: int, extend: _Crc, polynomial: int) -> Algorithm:
    return Algorithm(name, size, lambda: _CrcDigest(extend, size), polynomial)


ALGORITHMS: Mapping[str, Algorithm] = {
    each.name: each
    for each in (
        _crc_algorithm("CRC32", 4, _crc32, 0xEDB88320),
        _crc_algorithm("CRC32C", 4, crc32c.extend, 0x82F63B78),
        _crc_algorithm("CRC64NVME", 8, crc64nvme.extend, crc64nvme.POLYNOMIAL),
        Algorithm("SHA1", 20, lambda: hashlib.sha1(usedforsecurity=False)),
        Algorithm("SHA256", 32, hashlib.sha256),
        Algorithm("SHA512", 64, hashlib.sha512),
    )
}
_BY_HEADER = {each.header: each for each in ALGORITHMS.values()}
_KEYS = {"HTTP_" + header.upper().replace("-", "_"): each for header, each in _BY_HEADER.items()}
_WANTED = "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"
_TRAILER = "HTTP_X_AMZ_TRAILER"
_said = Sieve(lambda key: key.startswith(_ANY) or key in (_TRAILER, _WANTED))


def algorithm_of(name: str) -> Algorithm:
    """Return an algorithm by its name, in any case.

    Raises:
        S3Error: InvalidRequest.
    """
    found = ALGORITHMS.get(name.upper())
    if found is None:
        raise S3Error("InvalidRequest", f"Checksums are {', '.join(ALGORITHMS)}, not {name}.")
    return found


# --- of a request's body ---------------------------------------------------------------------


@dataclass(slots=True)
class Announced:
    """The checksum of a body that is to come."""

    algorithm: Algorithm
    value: bytes | None
    """None until its trailer has come."""
    taken: Digest

    def check(self) -> None:
        """Hold what was announced against the whole body, which has passed."""
        if self.value != self.taken.digest():
            name = self.algorithm.name
            raise S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")

    def take_trailer(self, trailers: Mapping[str, str]) -> None:
        """Take the value from where it was announced to be."""
        text = trailers.get(self.algorithm.header, "")
        self.value = self.algorithm.raw(text)
        if self.value is None:
            raise S3Error("InvalidRequest", f"Value for {self.algorithm.header} trailing header is invalid.")

    @property
    def text(self) -> str:
        """The value in base64."""
        assert self.value is not None
        return base64.b64encode(self.value).decode("ascii")


def announced(environ: Environ) -> Announced | None:
    """Return the checksum that a request announces of its body.

    Raises:
        S3Error: InvalidRequest, for more than one, or what is none.
    """
    if not _said.among(environ):
        return None
    found = [(each, environ[key]) for key, each in _KEYS.items() if key in environ]
    trailed = _trailed(environ.get(_TRAILER) or "")
    if len(found) > 1 or len(trailed) > 1:
        sentence = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise S3Error("InvalidRequest", sentence)
    if found and trailed:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header")
    _require_known(environ)
    _require_wanted(environ, [each for each, _ in found] + trailed)
    if trailed:
        return Announced(trailed[0], None, trailed[0].begin())
    if not found:
        return None
    algorithm, text = found[0]
    value = algorithm.raw(text)
    if value is None:
        raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")
    return Announced(algorithm, value, algorithm.begin())


def _require_known(environ: Environ) -> None:
    """Refuse a checksum of which nobody would see whether it is right."""
    for key in environ:
        if key.startswith(_ANY) and key not in _KEYS and key[len(_ANY) :] not in _NO_VALUES:
            raise S3Error(
                "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid."
            )


def _trailed(header: str) -> list[Algorithm]:
    text = header.strip().rstrip(",")
    names = [name.strip().lower() for name in text.split(",")] if text else []
    if any(name not in _BY_HEADER for name in names):
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return [_BY_HEADER[name] for name in names]


def _require_wanted(environ: Environ, given: Sequence[Algorithm]) -> None:
    """Refuse a body whose checksum is another than its client says to send."""
    wanted = environ.get(_WANTED)
    if wanted is None:
        return
    algorithm = algorithm_of(wanted)
    if given and algorithm not in given:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if not given:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found.",
        )


def keep(environ: Environ) -> Callable[[], dict[str, str]]:
    """Have a PUT store what its body announces; what is returned says, after it, what to answer."""
    body: Announced | None = environ.get(RECEIVED)
    if body is None:
        return dict
    if body.value is not None:
        said = headers(body.algorithm.name, body.text)
        for name, value in said.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    else:
        before: Callable[[dict[str, str]], None] | None = environ.get(FOOTERS)
        environ[FOOTERS] = lambda footers: _foot(footers, body, before)
    return lambda: _shown(body.algorithm, body.text)


def _foot(footers: dict[str, str], body: Announced, before: Callable[[dict[str, str]], None] | None) -> None:
    if before is not None:
        before(footers)
    footers.update(headers(body.algorithm.name, body.text))


# --- of what is stored -----------------------------------------------------------------------


def headers(algorithm: str, value: str, kind: str = FULL_OBJECT) -> dict[str, str]:
    """Return what an object is stored with, to have this checksum; a composite one has its `-N`."""
    assert (kind == COMPOSITE) == ("-" in value), (kind, value)
    return {f"X-Object-Sysmeta-S3api-Checksum-{algorithm.capitalize()}": value}


def stored(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums that the store's headers, in lower case, say: algorithm and value."""
    return {
        name[len(STORED) :].upper(): value
        for name, value in facts.items()
        if name.startswith(STORED) and name[len(STORED) :].upper() in ALGORITHMS
    }


def shown(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell a client of them."""
    said: dict[str, str] = {}
    for name, value in stored(facts).items():
        said.update(_shown(ALGORITHMS[name], value))
    return said


def of_copy(facts: Mapping[str, str]) -> dict[str, str]:
    """Return what a copy is stored with, to have the checksums of an object whose headers these are."""
    said: dict[str, str] = {}
    for name, value in stored(facts).items():
        said.update(headers(name, value, kind_of(value)))
    return said


def _shown(algorithm: Algorithm, value: str) -> dict[str, str]:
    return {algorithm.header: value, "x-amz-checksum-type": kind_of(value)}


def kind_of(value: str) -> str:
    """Return whether a checksum is of all the bytes, or of the parts' checksums."""
    return COMPOSITE if "-" in value else FULL_OBJECT


# --- of parts --------------------------------------------------------------------------------


class Sum:
    """A checksum that we take ourselves, of what we copy."""

    __slots__ = ("_digest", "algorithm")

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self._digest = algorithm.begin()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._digest.update(data)

    def base64(self) -> str:
        """Return the checksum of what came so far."""
        return base64.b64encode(self._digest.digest()).decode("ascii")


def of(algorithm: str) -> Sum:
    """Begin a checksum, by its algorithm's name."""
    return Sum(algorithm_of(algorithm))


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """Return the checksum of the parts' checksums, all in base64."""
    of_all = algorithm_of(algorithm).begin()
    for part in parts:
        of_all.update(base64.b64decode(part))
    return f"{base64.b64encode(of_all.digest()).decode('ascii')}-{len(parts)}"


def full_object(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of the parts put together, from each part's checksum and its length.

    Raises:
        S3Error: InvalidRequest, where the algorithm is no CRC.
    """
    found = algorithm_of(algorithm)
    if found.polynomial is None:
        raise S3Error("InvalidRequest", f"A {found.name} of parts cannot become one of the whole; a CRC can.")
    crc = 0
    for text, size in parts:
        part = int.from_bytes(base64.b64decode(text), "big")
        crc = joined(crc, part, size, polynomial=found.polynomial, bits=8 * found.size)
    return base64.b64encode(crc.to_bytes(found.size, "big")).decode("ascii")
