"""The laws of the headers by which a copy is made again."""

from __future__ import annotations

import pytest

from apus.common.errors import Corrupt
from apus.replicator.peer import Place
from apus.replicator.push import post_headers, put_headers
from apus.ring.device import Device

PLACE = Place(Device(1, 1, 1, "10.0.0.1", 6200, "10.0.0.1", 6200, "sdb1"), 3, 7)
STORED = {
    "name": "/a/c/o",
    "X-Timestamp": "1700000000.00000_0000000000000001",
    "Content-Type": "text/plain;swift_bytes=9",
    "Content-Length": "4",
    "ETag": "841a2d689ad86bd1611447453c22c6fc",
    "X-Object-Meta-A": "b",
    "X-Delete-At": "1800000000",
    "X-Object-Sysmeta-C": "d",
}


def test_a_put_carries_all_metadata_and_no_more() -> None:
    """The peer keeps exactly the headers named, so odd ones survive and ours do not stick."""
    headers = put_headers(STORED, PLACE)
    assert headers["X-Timestamp"] == STORED["X-Timestamp"]
    assert headers["ETag"] == STORED["ETag"]
    assert headers["Content-Type"] == STORED["Content-Type"]
    assert set(headers["X-Backend-Replication-Headers"].split()) == {
        "X-Object-Meta-A",
        "X-Delete-At",
        "X-Object-Sysmeta-C",
    }
    assert headers["X-Backend-Storage-Policy-Index"] == "3"
    assert headers["X-Backend-Replication"] == "True"
    assert "name" not in headers
    assert "Content-Length" not in headers


def test_a_post_carries_a_content_type_only_with_its_moment() -> None:
    """A .meta without one must not bring the data's along as if it were newer."""
    stored = {"name": "/a/c/o", "X-Timestamp": "5.00000", "X-Object-Meta-A": "b"}
    assert "Content-Type" not in post_headers(stored, PLACE)
    typed = {**stored, "Content-Type": "image/png", "Content-Type-Timestamp": "4.00000"}
    headers = post_headers(typed, PLACE)
    assert (headers["Content-Type"], headers["Content-Type-Timestamp"]) == ("image/png", "4.00000")
    assert headers["X-Backend-Replication-Headers"] == "X-Object-Meta-A"


@pytest.mark.parametrize("missing", ["X-Timestamp", "Content-Type", "ETag"])
def test_metadata_that_lacks_the_essential_is_corrupt(missing: str) -> None:
    """It is quarantined, not pushed as something else."""
    stored = {key: value for key, value in STORED.items() if key != missing}
    with pytest.raises(Corrupt):
        put_headers(stored, PLACE)
