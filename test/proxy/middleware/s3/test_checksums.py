"""Checksums of objects and of their parts."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import crc64nvme
from apus.proxy.middleware.s3 import checksums
from apus.proxy.middleware.s3.errors import S3Error

KNOWN = {
    "CRC32": "y/Q5Jg==",
    "CRC32C": "4waSgw==",
    "CRC64NVME": "rosUhgp5mIg=",
    "SHA1": "98O8HYCOBHMq32eZZczDTKeuNEE=",
    "SHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    "SHA512": "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
}
"""Of 123456789."""
CRCS = ("CRC32", "CRC32C", "CRC64NVME")


def sum_of(algorithm: str, data: bytes) -> str:
    summed = checksums.of(algorithm)
    summed.update(data)
    return summed.base64()


@given(st.binary(min_size=4, max_size=4), st.sampled_from("BCRShijx9"))
def test_a_checksum_is_written_in_one_way(raw: bytes, last: str) -> None:
    """Base64 of four bytes has room for four bits more, which are zero."""
    text = base64.b64encode(raw).decode()
    assert checksums.ALGORITHMS["CRC32"].raw(text) == raw
    assert checksums.ALGORITHMS["CRC32"].raw(text[:5] + last + "==") is None


@pytest.mark.parametrize("name", list(checksums.ALGORITHMS))
def test_trap_61_each_is_what_its_definition_says(name: str) -> None:
    """By the examples of their catalogues."""
    assert sum_of(name, b"123456789") == KNOWN[name]


def test_trap_61_crc64nvme_is_what_boto3_sends() -> None:
    """As it was captured."""
    assert sum_of("CRC64NVME", b"x" * 100) == "EYfZ6+g5kmA="


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc64nvme_is_the_same_with_a_library_and_without(left: bytes, right: bytes) -> None:
    """In pieces, too, and whatever the memory is."""
    crc = crc64nvme.extend(0, left)
    assert crc == crc64nvme.extend_slowly(0, left)
    for memory in (right, bytearray(right), memoryview(right), memoryview(bytearray(right))):
        assert crc64nvme.extend(crc, memory) == crc64nvme.extend_slowly(0, left + right)


@given(st.lists(st.binary(max_size=400), min_size=1, max_size=6))
def test_trap_61_crcs_of_parts_become_that_of_the_whole(parts: list[bytes]) -> None:
    """Neither is read again."""
    for name in CRCS:
        known = [(sum_of(name, part), len(part)) for part in parts]
        assert checksums.full_object(name, known) == sum_of(name, b"".join(parts))


@pytest.mark.parametrize("name", ["SHA1", "SHA256"])
def test_trap_61_other_sums_of_parts_do_not(name: str) -> None:
    """They are refused, not made up."""
    with pytest.raises(S3Error):
        checksums.full_object(name, [(sum_of(name, b"a"), 1)])


@pytest.mark.parametrize("name", list(checksums.ALGORITHMS))
def test_trap_61_a_composite_one_is_of_the_parts_sums(name: str) -> None:
    """With their number behind it."""
    import base64

    parts = [sum_of(name, b"a"), sum_of(name, b"b")]
    together = sum_of(name, b"".join(map(base64.b64decode, parts)))
    assert checksums.composite(name, parts) == f"{together}-2"


@pytest.mark.parametrize("name", list(checksums.ALGORITHMS))
@pytest.mark.parametrize("is_composite", [False, True])
def test_what_is_stored_is_shown(name: str, is_composite: bool) -> None:
    """Whichever kind it is; a copy has it, too."""
    value, kind = KNOWN[name], checksums.FULL_OBJECT
    if is_composite:
        value, kind = f"{value}-12", checksums.COMPOSITE
    stored = checksums.headers(name, value, kind)
    facts = {key.lower(): text for key, text in stored.items()}
    facts["x-object-sysmeta-s3api-checksum-algorithm"] = name  # An upload's own, which is no checksum.
    assert checksums.stored(facts) == {name: value}
    assert checksums.shown(facts) == {f"x-amz-checksum-{name.lower()}": value, "x-amz-checksum-type": kind}
    assert checksums.of_copy(facts) == stored


def test_what_is_not_stored_is_not_shown() -> None:
    """Objects of the other API have none."""
    assert checksums.shown({"etag": "x", "x-object-meta-checksum": "y"}) == {}
