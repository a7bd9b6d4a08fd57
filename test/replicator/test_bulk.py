"""The laws of bringing many small objects at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lone_files import directory, lay_data

from apus.common.errors import Corrupt, Unavailable
from apus.common.policies import Policy
from apus.common.timestamp import Timestamp
from apus.object.files import metadata
from apus.object.parcel import PARCEL_BYTES_MAX, PIECES_MAX, Piece, pack
from apus.replicator.bulk import deliver, fit_for_bulk, in_loads
from apus.replicator.local import LocalDevice
from apus.replicator.peer import Place, Unmounted
from apus.replicator.plan import Need, Push, Version
from apus.ring.device import Device

PLACE = Place(Device(1, 1, 1, "10.0.0.1", 6200, "10.0.0.1", 6200, "sdb1"), 0, 7)
HELD = Version(data=Timestamp.of(1))


class Peer:
    """Stands for a PeerClient; answers each parcel as told."""

    def __init__(self, *answers: list[int] | Exception) -> None:
        self.answers = list(answers)
        self.parcels: list[list[Piece]] = []

    def parcel(self, _place: Place, pieces: list[Piece]) -> list[int]:
        self.parcels.append(list(pieces))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def lay(device: Path, *bodies: bytes) -> LocalDevice:
    for number, body in enumerate(bodies):
        lay_data(directory(device, 7, f"{number:032x}"), 1000, body)
    return LocalDevice(str(device), Policy(index=0, name="gold", default=True), 604800)


def bring(local: LocalDevice, peer: Peer) -> set[str]:
    copies = local.copies(7, local.suffixes(7))
    return deliver(peer, PLACE, copies, sorted(copies)).confirmed  # type: ignore[arg-type]  # a double


def test_only_whole_objects_that_the_peer_has_nothing_of_are_fit() -> None:
    """What changes something, or stands alone, is an ordinary request."""
    wanted = [
        Push("a", Need.DATA),
        Push("b", Need.DATA | Need.META),
        Push("c", Need.TOMBSTONE),
        Push("d", Need.DATA),
    ]
    assert fit_for_bulk(wanted, {}) == ["a", "d"]
    assert fit_for_bulk(wanted, {"a": HELD}) == []
    assert fit_for_bulk([], {}) == []


@pytest.mark.parametrize("count", [0, 1, PIECES_MAX, PIECES_MAX + 1, 5 * PIECES_MAX - 1])
def test_loads_hold_everything_once(count: int) -> None:
    """In order, none larger than a parcel may be."""
    hashes = [str(number) for number in range(count)]
    loads = in_loads(hashes)
    assert [each for load in loads for each in load] == hashes
    assert all(0 < len(load) <= PIECES_MAX for load in loads)


def test_only_what_the_peer_confirms_is_delivered(tmp_path: Path) -> None:
    """The rest is for ordinary pushes to sort out."""
    local = lay(tmp_path, b"a", b"b", b"c", b"d")
    confirmed = bring(local, Peer([201, 409, 422, 501]))
    assert confirmed == {f"{number:032x}" for number in (0, 1)}


def test_large_and_unreadable_ones_stay_behind(tmp_path: Path) -> None:
    """The ordinary push streams the one, and moves the other into quarantine."""
    local = lay(tmp_path, b"sound", bytes(70_000), b"flipped")
    data = (tmp_path / "objects/7/002").joinpath(f"{2:032x}/0000001000.00000.data")
    os.setxattr(data, metadata.METADATA_ATTRIBUTE, b"flopped")
    peer = Peer([201])
    assert bring(local, peer) == {f"{0:032x}"}
    assert [piece.body for piece in peer.parcels[0]] == [b"sound"]


def test_parcels_are_bounded_by_size(tmp_path: Path) -> None:
    """A hundred objects of 60 kB are more than a receiver takes at once."""
    local = lay(tmp_path, *[bytes(60_000)] * 100)
    peer = Peer([201] * 69, [201] * 31)
    assert len(bring(local, peer)) == 100
    assert [len(parcel) for parcel in peer.parcels] == [69, 31]
    assert all(len(pack(parcel)) <= PARCEL_BYTES_MAX for parcel in peer.parcels)


@pytest.mark.parametrize("problem", [Unavailable("gone"), Corrupt("stock after all")], ids=str)
def test_a_parcel_that_fails_confirms_nothing(tmp_path: Path, problem: Exception) -> None:
    """Nobody knows what of it arrived: all of it is pushed."""
    assert bring(lay(tmp_path, b"a", b"b"), Peer(problem)) == set()


def test_an_unmounted_device_is_told_of(tmp_path: Path) -> None:
    """Another one must stand in for it."""
    with pytest.raises(Unmounted):
        bring(lay(tmp_path, b"a", b"b"), Peer(Unmounted("sdb1")))
