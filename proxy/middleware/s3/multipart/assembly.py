"""The list of parts that makes an object of an upload, and what is held against it.

    <CompleteMultipartUpload> ──named()──▶ Named(number, etag, checksums) …
    Named … and what is stored ──judge()──▶ nothing, or S3Error: InvalidPart, EntityTooSmall
                               ──etag_of(), manifest_of()──▶ the object's ETag, and its manifest

Pure; completing.py reads and writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from itertools import pairwise

from ..errors import S3Error
from ..numbers import whole
from ..xml import Node
from .names import NUMBER_MAX, Upload

_MD5 = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Named:
    """A part as the client names it."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Base64 by algorithm, in capitals: CRC32."""


@dataclass(frozen=True, slots=True)
class Held:
    """A part as it is stored."""

    size: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


def named(root: Node, upload_id: str) -> list[Named]:
    """Return the parts of a client's list.

    Raises:
        S3Error: MalformedXML, InvalidPart or InvalidPartOrder.
    """
    parts = [_named(node, upload_id) for node in root.all("Part")]
    if not parts:
        raise S3Error("MalformedXML")
    for before, after in pairwise(parts):
        if after.number <= before.number:
            raise S3Error("InvalidPartOrder", UploadId=upload_id)
    return parts


def _named(node: Node, upload_id: str) -> Named:
    number, etag = node.value("PartNumber"), node.value("ETag")
    if number is None or etag is None:
        raise S3Error("MalformedXML")
    number, etag = number.strip(), etag.strip().strip('"').lower()
    found = whole(number, least=1, most=NUMBER_MAX)
    if found is None:
        raise S3Error(
            "InvalidArgument",
            f"PartNumber must be an integer between 1 and {NUMBER_MAX}",
            ArgumentName="PartNumber",
            ArgumentValue=number,
        )
    if not _MD5.match(etag):
        raise S3Error("InvalidPart", UploadId=upload_id, PartNumber=number, ETag=etag)
    checksums = {
        child.tag.removeprefix("Checksum"): child.text.strip()
        for child in node
        if child.tag.startswith("Checksum")
    }
    return Named(found, etag, checksums)


def judge(parts: Sequence[Named], held: Mapping[int, Held], upload_id: str, *, part_bytes_min: int) -> None:
    """Hold what the client names against what is stored; only the last part may be smaller.

    Raises:
        S3Error: InvalidPart for one that is not there or is another one, EntityTooSmall.
    """
    for part in parts:
        found = held.get(part.number)
        if found is None or found.etag != part.etag or _differs(part, found):
            raise S3Error("InvalidPart", UploadId=upload_id, PartNumber=part.number, ETag=part.etag)
    for part in parts[:-1]:
        size = held[part.number].size
        if size < part_bytes_min:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=size,
                MinSizeAllowed=part_bytes_min,
                PartNumber=part.number,
                ETag=part.etag,
            )


def _differs(part: Named, found: Held) -> bool:
    """Tell whether the client says another checksum than the one that was taken of the part."""
    return any(
        said != found.checksums[algorithm]
        for algorithm, said in part.checksums.items()
        if algorithm in found.checksums
    )


def etag_of(parts: Sequence[Named]) -> str:
    """Return the ETag of the object: of the parts' MD5s, and their number."""
    together = md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    return f"{together.hexdigest()}-{len(parts)}"


def manifest_of(upload: Upload, parts: Sequence[Named], held: Mapping[int, Held]) -> bytes:
    """Return the manifest, as a client of the other API would send it."""
    rows = [
        {
            "path": f"/{upload.container}/{upload.part(part.number)}",
            "etag": part.etag,
            "size_bytes": held[part.number].size,
        }
        for part in parts
    ]
    return json.dumps(rows).encode("ascii")
