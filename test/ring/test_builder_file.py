"""The laws of the builder file: stock Swift's mapping, read without trust, written whole."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import Any

import pytest
from ring_worlds import builder_of, grid

from apus.common.errors import Corrupt
from apus.common.restricted_pickle import dumps, loads
from apus.ring.builder_file import from_ring, read_builder, write_builder, written
from apus.ring.file import encode, read_ring_file

FIXTURES = Path(__file__).parent / "fixtures"
BUILDERS = sorted(path.stem for path in FIXTURES.glob("*.builder"))


def stock_mapping(name: str) -> dict[str, Any]:
    loaded = loads((FIXTURES / f"{name}.builder").read_bytes(), allowed={("array", "array"): array})
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", BUILDERS)
def test_stock_builders_are_written_again_with_every_key(name: str) -> None:
    """Each value is the one that stock Swift wrote, of the same type."""
    stock = stock_mapping(name)
    ours = written(read_builder(FIXTURES / f"{name}.builder"))
    assert ours == stock
    assert {key: type(value) for key, value in ours.items()} == {
        key: type(value) for key, value in stock.items()
    }
    assert [row.typecode for row in ours["_replica2part2dev"]] == ["H"] * len(ours["_replica2part2dev"])


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_makes_the_ring_that_stock_made(name: str) -> None:
    """Byte for byte, from the same builder file."""
    builder = read_builder(FIXTURES / f"{name}.builder")
    ring_file = FIXTURES / f"{name}.ring.gz"
    assert encode(builder.ring(), format_version=1, name=ring_file.name) == ring_file.read_bytes()


def test_a_builder_survives_its_file(tmp_path: Path) -> None:
    """Every setting, and a lasting id given at the first save."""
    builder = builder_of(grid(1, 3, 2, 2), overload=0.25)
    builder.rebalance(seed="1", now=1_700_000_000)
    builder.remove(3)
    write_builder(builder, tmp_path / "object.builder")
    again = read_builder(tmp_path / "object.builder")
    assert written(again) == written(builder)
    assert again.id is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["object.builder"]


def test_a_builder_file_can_name_nothing_else() -> None:
    """A file that would call a function when unpickled is refused before it does."""
    hostile = b"cos\nsystem\n(S'touch /nonexistent/pwned'\ntR."
    path = FIXTURES.parent / "fixtures" / "plain.builder"
    with pytest.raises(Corrupt):
        loads(hostile)
    assert read_builder(path).partitions == 128


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cswift.common.ring.builder\nRingBuilder\n(tR.",
        dumps([]),
        dumps({}),
        dumps(7),
        dumps({"devs": 3, "parts": 4}),
    ],
)
def test_what_is_no_builder_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """One kind of error, whatever is wrong, with the file's name."""
    path = tmp_path / "bad.builder"
    path.write_bytes(content)
    with pytest.raises(Corrupt, match=r"bad\.builder"):
        read_builder(path)


@pytest.mark.parametrize("key", ["parts", "devs", "_replica2part2dev", "part_power", "replicas"])
def test_a_builder_with_a_nonsense_value_is_corrupt(tmp_path: Path, key: str) -> None:
    """A value of another type does not get further than the file."""
    path = tmp_path / "bad.builder"
    path.write_bytes(dumps(stock_mapping("plain") | {key: "nonsense"}))
    with pytest.raises(Corrupt):
        read_builder(path)


def test_old_builders_lack_keys(tmp_path: Path) -> None:
    """Files of stock Swift's early versions have no id, overload, dispersion, region, meta."""
    old = stock_mapping("plain")
    for key in ("id", "overload", "dispersion", "_dispersion_graph", "next_part_power", "dev_id_bytes"):
        del old[key]
    for entry in old["devs"]:
        for key in ("meta", "replication_ip", "replication_port", "region"):
            del entry[key]
    path = tmp_path / "old.builder"
    path.write_bytes(dumps(old | {"_last_part_moves": None, "_last_part_moves_epoch": None}))
    builder = read_builder(path)
    first = builder.devices[0]
    assert first is not None
    assert (first.region, first.meta, first.replication_address) == (1, "", first.address)
    assert (builder.overload, builder.dispersion, builder.moved_epoch) == (0.0, None, 0)


def test_a_lost_builder_is_rebuilt_from_its_ring() -> None:
    """The ring it would write is the one it came from."""
    ring_file = FIXTURES / "regions.ring.gz"
    builder = from_ring(read_ring_file(ring_file), 12)
    assert builder.min_part_hours == 12
    assert encode(builder.ring(), format_version=1, name=ring_file.name) == ring_file.read_bytes()


def test_writing_does_not_follow_a_half_written_file(tmp_path: Path) -> None:
    """When writing fails the old file is still there."""
    builder = builder_of(grid(1, 1, 1, 3))
    path = tmp_path / "account.builder"
    write_builder(builder, path)
    before = path.read_bytes()
    os.chmod(tmp_path, 0o755)
    builder.graph = {("unpicklable",): [lambda: None]}  # type: ignore[list-item]
    with pytest.raises(Exception):  # noqa: B017 - whichever error pickling raises
        write_builder(builder, path)
    assert path.read_bytes() == before
