"""The checksum of an object that is made of parts.

    CreateMultipartUpload ──asked()──▶ algorithm and kind, kept with the upload
    UploadPart ──require_same()──▶ its checksum is of that algorithm, or S3Error
    CompleteMultipartUpload ──Wanted.checksum()──▶ of the parts' checksums, or joined to that of all bytes

Where a part has no checksum of the upload's algorithm, the object has none. Pure; checksums.py knows the
algorithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import checksums
from ..checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT
from ..errors import S3Error
from ..markup import Element, element
from ..metadata import SYSMETA
from ..numbers import SIZE_MAX, whole
from ..request import Request
from .assembly import Held, Named

ALGORITHM = SYSMETA + "checksum-algorithm"
KIND = SYSMETA + "checksum-type"
_WHOLE_BY_DEFAULT = "CRC64NVME"
Checksum = Mapping[str, str]
"""The value by the algorithm's name; empty where there is none."""


def asked(request: Request) -> dict[str, str]:
    """Return what is to be kept of the checksum that the object will have.

    Raises:
        S3Error: InvalidRequest.
    """
    name, kind = request.header("x-amz-checksum-algorithm"), request.header("x-amz-checksum-type")
    if name is None:
        if kind is not None:
            raise S3Error("InvalidRequest", "x-amz-checksum-type needs x-amz-checksum-algorithm beside it.")
        return {}
    algorithm = checksums.algorithm_of(name)
    kind = _kind(kind, algorithm.name)
    if kind == FULL_OBJECT and algorithm.polynomial is None:
        raise S3Error("InvalidRequest", f"{algorithm.name} cannot be of the type {FULL_OBJECT}.")
    if kind == COMPOSITE and algorithm.name == _WHOLE_BY_DEFAULT:
        raise S3Error("InvalidRequest", f"{algorithm.name} cannot be of the type {COMPOSITE}.")
    return {ALGORITHM: algorithm.name, KIND: kind}


def _kind(text: str | None, algorithm: str) -> str:
    if text is None:
        return FULL_OBJECT if algorithm == _WHOLE_BY_DEFAULT else COMPOSITE
    if text not in (FULL_OBJECT, COMPOSITE):
        raise S3Error("InvalidRequest", f"x-amz-checksum-type is {FULL_OBJECT} or {COMPOSITE}, not {text}.")
    return text


def said(marker: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell a client of an upload's algorithm and kind."""
    if ALGORITHM not in marker:
        return {}
    return {"x-amz-checksum-algorithm": marker[ALGORITHM], "x-amz-checksum-type": kind_of(marker)}


def algorithm_of(marker: Mapping[str, str]) -> str | None:
    """Return the name of an upload's algorithm."""
    name = marker.get(ALGORITHM)
    return name if name in ALGORITHMS else None


def kind_of(marker: Mapping[str, str]) -> str:
    """Return whether the checksum is to be of all bytes, or of the parts' checksums."""
    return marker.get(KIND, COMPOSITE)


def require_same(request: Request, marker: Mapping[str, str]) -> None:
    """Refuse a part whose checksum is of another algorithm than the upload's."""
    algorithm = algorithm_of(marker)
    received: checksums.Announced | None = request.environ.get(checksums.RECEIVED)
    if algorithm is None or received is None or received.algorithm.name == algorithm:
        return
    raise S3Error(
        "InvalidRequest",
        f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, "
        f"actual checksum Type: {received.algorithm.name.lower()}",
    )


def elements(checksum: Checksum) -> list[Element]:
    """Return what a document says of a checksum."""
    found = [element(f"Checksum{algorithm}", value) for algorithm, value in checksum.items()]
    kinds = [element("ChecksumType", checksums.kind_of(value)) for value in checksum.values()]
    return found + kinds[:1]


def stored(checksum: Checksum) -> dict[str, str]:
    """Return the headers that the object is stored with."""
    headers: dict[str, str] = {}
    for algorithm, value in checksum.items():
        headers |= checksums.headers(algorithm, value, checksums.kind_of(value))
    return headers


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client says that the finished object is to be."""

    values: Checksum
    kind: str | None = None
    size: int | None = None

    @classmethod
    def of(cls, request: Request) -> Wanted:
        """Read it from the headers of CompleteMultipartUpload."""
        values = {each.name: request.header(each.header) for each in ALGORITHMS.values()}
        size = request.header("x-amz-mp-object-size")
        number = whole(size, most=SIZE_MAX)
        if size is not None and number is None:
            raise S3Error("InvalidRequest", "x-amz-mp-object-size is no number of bytes.")
        return cls(
            {name: value for name, value in values.items() if value is not None},
            request.header("x-amz-checksum-type"),
            number,
        )

    def checksum(
        self, marker: Mapping[str, str], parts: Sequence[Named], held: Mapping[int, Held]
    ) -> Checksum:
        """Return the checksum of the object that these parts make.

        Raises:
            S3Error: BadDigest, or InvalidRequest, where it is not what the client says.
        """
        size = sum(held[part.number].size for part in parts)
        if self.size is not None and self.size != size:
            raise S3Error("InvalidRequest", f"The parts have {size} bytes together, not {self.size}.")
        algorithm, kind = algorithm_of(marker) or next(iter(self.values), None), kind_of(marker)
        if ALGORITHM not in marker:
            kind = self.kind or COMPOSITE
        elif self.kind not in (None, kind):
            raise S3Error("InvalidRequest", f"The upload was begun for a checksum of the type {kind}.")
        if algorithm is None:
            return {}
        made = _made(algorithm, kind, [held[part.number] for part in parts])
        self._require(algorithm, made)
        return {} if made is None else {algorithm: made}

    def _require(self, algorithm: str, made: str | None) -> None:
        for name, value in self.values.items():
            if name != algorithm or made is None:
                raise S3Error("InvalidRequest", f"The parts have no {name} to hold the object's against.")
            if value not in (made, made.partition("-")[0]):
                raise S3Error("BadDigest", f"The {name} of the parts together is another one.")


def _made(algorithm: str, kind: str, parts: Sequence[Held]) -> str | None:
    values = [part.checksums.get(algorithm) for part in parts]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if kind == COMPOSITE:
        return checksums.composite(algorithm, known)
    return checksums.full_object(algorithm, zip(known, (part.size for part in parts), strict=True))
