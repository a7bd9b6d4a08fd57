"""The list of parts: read with suspicion, and held against what is stored."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.multipart.assembly import Held, Named, etag_of, judge, manifest_of, named
from apus.proxy.middleware.s3.multipart.names import Upload
from apus.proxy.middleware.s3.xml import read

ETAG = "0123456789abcdef" * 2


def document(*parts: tuple[str, str]) -> str:
    inside = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    return f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>"


@given(st.sets(st.integers(1, 10_000), min_size=1, max_size=30), st.booleans())
def test_a_list_in_order_is_read(numbers: set[int], quoted: bool) -> None:
    """ETags with or without quotes, in either case."""
    etag = f"&quot;{ETAG.upper()}&quot;" if quoted else ETAG
    parts = named(read(document(*((str(n), etag) for n in sorted(numbers))).encode()), "U")
    assert parts == [Named(number, ETAG) for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "MalformedXML"),
        ([("2", ETAG), ("1", ETAG)], "InvalidPartOrder"),
        ([("2", ETAG), ("2", ETAG)], "InvalidPartOrder"),
        ([("0", ETAG)], "InvalidArgument"),
        ([("10001", ETAG)], "InvalidArgument"),
        ([("-1", ETAG)], "InvalidArgument"),
        ([("1e3", ETAG)], "InvalidArgument"),
        ([("\u0661", ETAG)], "InvalidArgument"),
        ([("9" * 5000, ETAG)], "InvalidArgument"),
        ([("1", "")], "InvalidPart"),
        ([("1", "xyz")], "InvalidPart"),
        ([("1", ETAG + "-2")], "InvalidPart"),
    ],
)
def test_a_list_that_is_none(parts: list[tuple[str, str]], code: str) -> None:
    """Each flaw has its own code."""
    with pytest.raises(S3Error) as caught:
        named(read(document(*parts).encode()), "U")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "inside", ["<Part/>", "<Part><PartNumber>1</PartNumber></Part>", f"<Part><ETag>{ETAG}</ETag></Part>"]
)
def test_a_part_without_number_or_etag(inside: str) -> None:
    """Both must be said."""
    with pytest.raises(S3Error) as caught:
        named(read(f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>".encode()), "U")
    assert caught.value.code == "MalformedXML"


def test_parts_are_held_against_what_is_stored() -> None:
    """By ETag, by checksum where both know one, and by size but for the last."""
    parts = [Named(1, ETAG, {"CRC32": "AAAA"}), Named(2, ETAG)]
    whole = {1: Held(10, ETAG, {"CRC32": "AAAA"}), 2: Held(1, ETAG)}
    judge(parts, whole, "U", part_bytes_min=10)
    judge(parts, {**whole, 1: Held(10, ETAG)}, "U", part_bytes_min=10)
    for held, code in (
        ({2: whole[2]}, "InvalidPart"),
        ({**whole, 2: Held(1, "f" * 32)}, "InvalidPart"),
        ({**whole, 1: Held(10, ETAG, {"CRC32": "BBBB"})}, "InvalidPart"),
        ({**whole, 1: Held(9, ETAG)}, "EntityTooSmall"),
    ):
        with pytest.raises(S3Error) as caught:
            judge(parts, held, "U", part_bytes_min=10)
        assert caught.value.code == code


def test_the_etag_is_of_the_parts_md5s() -> None:
    """With their number behind it, as programs compute it themselves."""
    digests = [hashlib.md5(body).digest() for body in (b"a", b"b")]
    parts = [Named(number, digest.hex()) for number, digest in enumerate(digests, 1)]
    assert etag_of(parts) == hashlib.md5(b"".join(digests)).hexdigest() + "-2"


def test_the_manifest_names_parts_as_a_client_would() -> None:
    """With path, ETag and size, in any script."""
    upload = Upload("b", "k \N{SNOWMAN}", "U")
    document = manifest_of(upload, [Named(3, ETAG)], {3: Held(7, ETAG)})
    path = "/b+segments/k \N{SNOWMAN}/U/3"
    assert json.loads(document) == [{"path": path, "etag": ETAG, "size_bytes": 7}]
