"""Updates that wait: stock Swift's format, the newest per object, nothing unreadable in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apus.common import restricted_pickle
from apus.common.timestamp import Timestamp
from apus.object import async_pending
from apus.object.async_pending import Place

# Written by stock Swift 2.38.3, whose headers are a class of its own.
STOCK_0 = (
    b"(dp0\nVop\np1\nVPUT\np2\nsVaccount\np3\nVa\np4\nsVcontainer\np5\nVc\np6\nsVobj\np7\nV\xe9\np8\nsVheaders\np9\n"
    b"ccopy_reg\n_reconstructor\np10\n(cswift.common.header_key_dict\nHeaderKeyDict\np11\nc__builtin__\ndict\np12\n"
    b"(dp13\nVX-Size\np14\nV3\np15\nsVX-Timestamp\np16\nV1700000000.00000\np17\nstp18\nRp19\nsVdb_state\np20\nNs."
)
STOCK_2 = (
    b"\x80\x02}q\x00(X\x02\x00\x00\x00opq\x01X\x03\x00\x00\x00PUTq\x02X\x07\x00\x00\x00accountq\x03X\x01\x00\x00\x00aq\x04"
    b"X\t\x00\x00\x00containerq\x05X\x01\x00\x00\x00cq\x06X\x03\x00\x00\x00objq\x07X\x02\x00\x00\x00\xc3\xa9q\x08X\x07\x00\x00"
    b"\x00headersq\tcswift.common.header_key_dict\nHeaderKeyDict\nq\n)\x81q\x0b(X\x06\x00\x00\x00X-Sizeq\x0cX\x01\x00\x00\x00"
    b"3q\rX\x0b\x00\x00\x00X-Timestampq\x0eX\x10\x00\x00\x001700000000.00000q\x0fuX\x08\x00\x00\x00db_stateq\x10Nu."
)
UPDATE = {
    "op": "PUT",
    "account": "a",
    "container": "c",
    "obj": "é",
    "headers": {"X-Size": "3", "X-Timestamp": "1700000000.00000"},
    "db_state": None,
}
HASH = "0" * 29 + "abc"


def place(device: Path) -> Place:
    return Place(str(device / "async_pending"), str(device / "tmp"))


def test_what_is_saved_is_pending(tmp_path: Path) -> None:
    """An update comes back with its moment and policy; nothing stays in tmp."""
    async_pending.save(place(tmp_path), HASH, Timestamp.of(1700000000), UPDATE)
    (found,) = async_pending.pending(str(tmp_path))
    assert found.update == UPDATE
    assert found.timestamp == Timestamp.of(1700000000)
    assert found.policy_index == 0
    assert found.path == f"{tmp_path}/async_pending/abc/{HASH}-1700000000.00000"
    assert os.listdir(tmp_path / "tmp") == []
    async_pending.remove(found.path)
    async_pending.remove_folder_if_empty(found.path)
    assert os.listdir(tmp_path / "async_pending") == []


@pytest.mark.parametrize("stored", [STOCK_0, STOCK_2])
def test_stock_swifts_updates_are_read(tmp_path: Path, stored: bytes) -> None:
    """Both pickle protocols, with its header class, as plain dictionaries."""
    folder = tmp_path / "async_pending-1" / "abc"
    folder.mkdir(parents=True)
    (folder / f"{HASH}-1700000000.00000").write_bytes(stored)
    (found,) = async_pending.pending(str(tmp_path))
    assert found.policy_index == 1
    assert found.update == UPDATE


def test_only_the_newest_is_delivered(tmp_path: Path) -> None:
    """Older updates of the same object are removed unread."""
    for second in (1, 3, 2):
        async_pending.save(place(tmp_path), HASH, Timestamp.of(1700000000 + second), UPDATE)
    (found,) = async_pending.pending(str(tmp_path))
    assert found.timestamp == Timestamp.of(1700000003)
    assert os.listdir(os.path.dirname(found.path)) == [f"{HASH}-1700000003.00000"]


@pytest.mark.parametrize("junk", [b"", b"cos\nsystem\n(S'true'\ntR.", restricted_pickle.dumps({"op": "PUT"})])
def test_an_unreadable_update_is_quarantined(tmp_path: Path, junk: bytes) -> None:
    """It is moved aside and the others are delivered."""
    folder = tmp_path / "async_pending" / "abc"
    folder.mkdir(parents=True)
    (folder / f"{'1' * 32}-1700000000.00000").write_bytes(junk)
    (folder / "no-update-at-all").touch()
    async_pending.save(place(tmp_path), HASH, Timestamp.of(1700000000), UPDATE)
    assert [found.update for found in async_pending.pending(str(tmp_path))] == [UPDATE]
    assert os.listdir(tmp_path / "quarantined" / "objects") == [f"{'1' * 32}-1700000000.00000"]
