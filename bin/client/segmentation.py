"""A large file cut into segments: where they begin, what they are called, what the manifest says.

    file size, wanted size, the store's limits ──▶ segment_bytes() ──▶ Cut ──▶ segments, manifest()
    names found in the segment container       ──▶ Upload.of(name) ──▶ which upload they belong to

Names are those of `swift`, so that either command can finish what the other began:
OBJECT/slo/MTIME/SIZE/SEGMENT_SIZE/00000000. The same file cut the same way has the same names, and so an
upload is taken up again: what the store lists under those names with the right size and MD5 need not be sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ...common.errors import Refused
from .numbers import human

MIB = 1 << 20
GIB = 1 << 30
WHOLE_BYTES_MAX = (
    512 * MIB
)  # A file up to this goes in one piece unless asked otherwise: a quarter minute at 40 MB/s.
SEGMENT_BYTES = 128 * MIB  # What an interruption costs at most, times the segments on their way.

_SLO_NAME = re.compile(
    r"(?P<object>.+)/slo/(?P<cut>-?\d+\.\d+/(?:(?P<size>\d+)/)?(?P<segment_bytes>\d+))/(?P<number>\d{8})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the store allows, from /info."""

    object_bytes_max: int = 5 * GIB
    segments_max: int = 1000
    has_slo: bool = True

    @classmethod
    def read(cls, info: Mapping[str, Mapping[str, object]]) -> Limits:
        """Read them from what /info says."""
        whole = info.get("swift", {}).get("max_file_size", 5 * GIB)
        count = info.get("slo", {}).get("max_manifest_segments", 1000)
        return cls(object_bytes_max=int(str(whole)), segments_max=int(str(count)), has_slo="slo" in info)


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of the file."""

    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How one file is cut."""

    container: str
    object_name: str
    mtime: str
    size: int
    segment_bytes: int
    is_static: bool = True

    @property
    def prefix(self) -> str:
        """What the names of all its segments begin with."""
        kind = "slo/" if self.is_static else ""
        return f"{self.object_name}/{kind}{self.mtime}/{self.size}/{self.segment_bytes}/"

    @property
    def segments(self) -> Iterator[Segment]:
        """The segments in their order."""
        for number, start in enumerate(range(0, self.size, self.segment_bytes)):
            yield Segment(f"{self.prefix}{number:08d}", start, min(self.segment_bytes, self.size - start))


def segment_bytes(size: int, wanted: int | None, limits: Limits) -> int | None:
    """Return the size of the segments, None where the file goes whole; Refused where it cannot go so."""
    if wanted == 0 or (wanted is None and size <= min(WHOLE_BYTES_MAX, limits.object_bytes_max)):
        if size > limits.object_bytes_max:
            most = human(limits.object_bytes_max)
            raise Refused(
                f"{human(size)} are more than this store takes in one piece ({most}): leave -S 0 out"
            )
        return None
    if wanted is not None and size <= min(wanted, limits.object_bytes_max):
        return None
    fewest = -(-size // limits.segments_max)
    chosen = wanted or max(SEGMENT_BYTES, -(-fewest // MIB) * MIB)
    if -(-size // chosen) > limits.segments_max and limits.has_slo:
        raise Refused(
            f"segments of {chosen} bytes would be {-(-size // chosen)}, more than this store takes "
            f"({limits.segments_max}): use -S {-(-fewest // MIB)}M or more"
        )
    if chosen > limits.object_bytes_max:
        raise Refused(
            f"segments of {human(chosen)} are more than this store takes ({human(limits.object_bytes_max)})"
        )
    return chosen


def manifest(container: str, rows: list[tuple[str, str, int]]) -> bytes:
    """Return the body of a static large object's manifest for (name, MD5, bytes) in their order."""
    return json.dumps(
        [{"path": f"/{container}/{name}", "etag": etag, "size_bytes": length} for name, etag, length in rows]
    ).encode()


def dynamic_header(container: str, prefix: str) -> str:
    """Return the X-Object-Manifest of a dynamic large object made of the segments whose names begin so."""
    return quote(f"{container}/{prefix}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload of one object, as its segments' names tell it."""

    object_name: str
    cut: str

    @classmethod
    def of(cls, segment_name: str) -> Upload | None:
        """Return the upload a segment belongs to; None for a name that no client of this kind gave."""
        match = _SLO_NAME.fullmatch(segment_name)
        return cls(match["object"], match["cut"]) if match else None

    @property
    def prefix(self) -> str:
        """What its segments' names begin with."""
        return f"{self.object_name}/slo/{self.cut}/"
