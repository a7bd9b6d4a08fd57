"""The checksum of an object of several parts."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3_requests import request

from apus.proxy.middleware.s3 import checksums
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.multipart import checks
from apus.proxy.middleware.s3.multipart.assembly import Held, Named
from apus.proxy.middleware.s3.multipart.checks import ALGORITHM, KIND, Wanted


def summed(algorithm: str, body: bytes) -> str:
    taken = checksums.of(algorithm)
    taken.update(body)
    return taken.base64()


def held_of(algorithm: str, bodies: list[bytes]) -> tuple[list[Named], dict[int, Held]]:
    parts = [Named(number, "0" * 32) for number in range(1, len(bodies) + 1)]
    held = {n: Held(len(b), "0" * 32, {algorithm: summed(algorithm, b)}) for n, b in enumerate(bodies, 1)}
    return parts, held


@given(
    st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]),
    st.lists(st.binary(max_size=50), min_size=1, max_size=5),
)
def test_trap_61_crcs_of_parts_become_the_crc_of_all(algorithm: str, bodies: list[bytes]) -> None:
    """Without reading a byte again."""
    marker = {ALGORITHM: algorithm, KIND: checksums.FULL_OBJECT}
    whole = summed(algorithm, b"".join(bodies))
    wanted = Wanted({algorithm: whole}, checksums.FULL_OBJECT, len(b"".join(bodies)))
    assert wanted.checksum(marker, *held_of(algorithm, bodies)) == {algorithm: whole}


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_a_composite_checksum_is_of_the_parts_checksums(bodies: list[bytes]) -> None:
    """With their number behind it, which the client may leave out."""
    marker = {ALGORITHM: "SHA256", KIND: checksums.COMPOSITE}
    digests = b"".join(hashlib.sha256(body).digest() for body in bodies)
    value = f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(bodies)}"
    for said in (value, value.partition("-")[0]):
        assert Wanted({"SHA256": said}).checksum(marker, *held_of("SHA256", bodies)) == {"SHA256": value}


def test_what_is_not_as_the_client_says() -> None:
    """Another checksum, algorithm, kind or size is refused."""
    marker = {ALGORITHM: "CRC32", KIND: checksums.FULL_OBJECT}
    parts, held = held_of("CRC32", [b"one", b"two"])
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    for wanted, code in (
        (Wanted({"CRC32": wrong}), "BadDigest"),
        (Wanted({"SHA1": wrong}), "InvalidRequest"),
        (Wanted({}, checksums.COMPOSITE), "InvalidRequest"),
        (Wanted({}, None, 7), "InvalidRequest"),
    ):
        with pytest.raises(S3Error) as caught:
            wanted.checksum(marker, parts, held)
        assert caught.value.code == code


def test_without_every_parts_checksum_there_is_none() -> None:
    """Then a client that names one is refused."""
    marker = {ALGORITHM: "CRC32", KIND: checksums.COMPOSITE}
    parts, held = held_of("CRC32", [b"one", b"two"])
    held[2] = Held(3, "0" * 32)
    assert Wanted({}).checksum(marker, parts, held) == {}
    assert Wanted({}).checksum({}, *held_of("CRC32", [b"one"])) == {}
    with pytest.raises(S3Error) as caught:
        Wanted({"CRC32": "AAAAAA=="}).checksum(marker, parts, held)
    assert caught.value.code == "InvalidRequest"


@pytest.mark.parametrize(
    ("algorithm", "kind", "kept"),
    [
        (None, None, None),
        ("crc32", None, ("CRC32", "COMPOSITE")),
        ("CRC64NVME", None, ("CRC64NVME", "FULL_OBJECT")),
        ("CRC32C", "FULL_OBJECT", ("CRC32C", "FULL_OBJECT")),
        ("SHA256", "COMPOSITE", ("SHA256", "COMPOSITE")),
    ],
)
def test_what_an_upload_is_begun_with(
    algorithm: str | None, kind: str | None, kept: tuple[str, str] | None
) -> None:
    """The kind has a default for each algorithm."""
    said = {"X-Amz-Checksum-Algorithm": algorithm, "X-Amz-Checksum-Type": kind}
    headers = {name: value for name, value in said.items() if value is not None}
    asked = checks.asked(request(None, "POST", "b", "k", {"uploads": ""}, headers=headers))
    assert asked == ({} if kept is None else {ALGORITHM: kept[0], KIND: kept[1]})


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (None, "COMPOSITE"),
        ("MD4", None),
        ("SHA1", "FULL_OBJECT"),
        ("CRC64NVME", "COMPOSITE"),
        ("CRC32", "HALF"),
    ],
)
def test_what_no_upload_is_begun_with(algorithm: str | None, kind: str | None) -> None:
    """Only CRCs can be of the whole object."""
    said = {"X-Amz-Checksum-Algorithm": algorithm, "X-Amz-Checksum-Type": kind}
    headers = {name: value for name, value in said.items() if value is not None}
    with pytest.raises(S3Error) as caught:
        checks.asked(request(None, "POST", "b", "k", {"uploads": ""}, headers=headers))
    assert caught.value.code == "InvalidRequest"
