"""The laws of apus-ring-builder: subcommands, arguments, files and exit codes of swift-ring-builder."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from apus.ring.builder import Builder
from apus.ring.builder_file import read_builder, write_builder
from apus.ring.console.program import COMMANDS, run
from apus.ring.console.session import file_names, locked
from apus.ring.file import read_ring_file

FIXTURES = Path(__file__).parent.parent / "fixtures"
DONE, WARNING, ERROR = 0, 1, 2


@dataclass
class Desk:
    """A folder with one builder, and what was printed last."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    printed: str = ""

    @property
    def path(self) -> Path:
        return self.folder / "object.builder"

    def __call__(self, *words: str) -> int:
        self.capture.readouterr()
        code = run([str(self.path), *words])
        self.printed = self.capture.readouterr().out
        return code

    def builder(self) -> Builder:
        return read_builder(self.path)

    def free(self) -> None:
        builder = self.builder()
        builder.pretend_min_part_hours_passed()
        write_builder(builder, self.path)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Four zones, one server each with two devices, rebalanced."""
    assert desk("create", "8", "3", "1") == DONE
    for zone in range(1, 5):
        words = [f"r1z{zone}-10.0.0.{zone}:6200R10.1.0.{zone}:6300/sd{name}_shelf {zone}" for name in "ab"]
        assert desk("add", words[0], "100", words[1], "100") == DONE
    assert desk("rebalance", "--seed", "1") == DONE
    return desk


def test_create_makes_a_builder_and_a_dated_copy(desk: Desk) -> None:
    """Three numbers, and fractions of replicas are fine."""
    assert desk("create", "10", "3.5", "24") == DONE
    builder = desk.builder()
    assert (builder.partitions, builder.replicas, builder.min_part_hours) == (1024, 3.5, 24)
    assert len(list((desk.folder / "backups").glob("*.object.builder"))) == 1


@pytest.mark.parametrize(
    "words", [(), ("8",), ("8", "3"), ("x", "3", "1"), ("33", "3", "1"), ("8", "0", "1"), ("8", "3", "-1")]
)
def test_create_refuses_nonsense(desk: Desk, words: tuple[str, ...]) -> None:
    """And makes nothing."""
    assert desk("create", *words) == ERROR
    assert not desk.path.exists()


def test_create_keeps_a_copy_of_what_it_replaces(filled: Desk) -> None:
    """Creating again is allowed, as in stock Swift, but loses nothing here."""
    version = filled.builder().version
    assert filled("create", "4", "1", "0") == DONE
    copies = [read_builder(path).version for path in (filled.folder / "backups").glob("*.builder")]
    assert version in copies


def test_add_takes_texts_in_pairs_or_options(desk: Desk) -> None:
    """Each device gets the next free id."""
    desk("create", "4", "1", "0")
    assert desk("add", "r1z1-10.0.0.1:6200/sda", "1", "z2-10.0.0.2:6200/sdb_x y", "2.5") == DONE
    assert "got id 1" in desk.printed
    assert "region 1" in desk.printed
    options = ["--region", "2", "--zone", "3", "--ip", "host.example", "--port", "6200"]
    assert desk("add", *options, "--device", "sdc", "--weight", "3", "--meta", "m") == DONE
    found = [(d.id, d.region, d.zone, d.ip, d.weight, d.meta) for d in desk.builder().present()]
    assert found == [
        (0, 1, 1, "10.0.0.1", 1.0, ""),
        (1, 1, 2, "10.0.0.2", 2.5, "x y"),
        (2, 2, 3, "host.example", 3.0, "m"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("r1z1-10.0.0.9:6200/sda",),
        ("r1z1-10.0.0.9:6200/sda", "heavy"),
        ("r1z1-10.0.0.9:6200/sda", "-1"),
        ("r1z1-10.0.0.1:6200/sda", "1"),
        ("nonsense", "1"),
        ("r1z1-10.0.0.9:6200/sda", "1", "r1z1-10.0.0.9:6200/sda", "1"),
        ("r1z1-10.0.0.9:6200/sda", "1", "--zone", "3"),
        ("--region", "1"),
        (),
    ],
)
def test_a_bad_add_changes_nothing(filled: Desk, words: tuple[str, ...]) -> None:
    """Exit code 2, and not even the good ones of several are added."""
    before = filled.path.read_bytes()
    assert filled("add", *words) == ERROR
    assert filled.path.read_bytes() == before


def test_rebalance_writes_ring_builder_and_copies(filled: Desk) -> None:
    """The ring is the builder's, in version 1 unless asked otherwise."""
    ring = read_ring_file(filled.folder / "object.ring.gz")
    assert [row.tolist() for row in ring.rows] == [row.tolist() for row in filled.builder().rows or []]
    assert ring.format_version == 1
    assert len(list((filled.folder / "backups").glob("*.object.ring.gz"))) == 1
    filled.free()
    assert filled("rebalance", "-f", "--format-version", "2") == DONE
    assert read_ring_file(filled.folder / "object.ring.gz").format_version == 2


def test_rebalance_with_nothing_to_do_is_a_warning(filled: Desk) -> None:
    """While partitions rest, and when all is balanced; nothing is written."""
    before = filled.path.read_bytes()
    assert filled("rebalance") == WARNING
    assert "rest for 1 hours" in filled.printed
    filled.free()
    before = filled.path.read_bytes()
    assert filled("rebalance") == WARNING
    assert "no need" in filled.printed
    assert filled.path.read_bytes() == before


def test_rebalance_refuses_what_can_not_be(desk: Desk) -> None:
    """Without devices, or with fewer than replicas."""
    desk("create", "4", "3", "0")
    assert desk("rebalance") == ERROR
    desk("add", "r1z1-10.0.0.1:6200/sda", "1", "r1z1-10.0.0.1:6200/sdb", "1")
    assert desk("rebalance") == ERROR
    assert "3 replicas" in desk.printed


def test_a_bad_dispersion_is_a_warning(desk: Desk) -> None:
    """The ring is written all the same."""
    desk("create", "6", "3", "0")
    desk("add", "r1z1-10.0.0.1:1/a", "9", "r1z2-10.0.0.2:1/a", "1", "r1z3-10.0.0.3:1/a", "1")
    desk("add", "r1z1-10.0.0.1:1/b", "9")
    assert desk("rebalance") == WARNING
    assert (desk.folder / "object.ring.gz").exists()
    assert desk("dispersion") == WARNING
    assert "Worst tier" in desk.printed


def test_a_seed_as_option_or_word_gives_the_same_ring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As swift-ring-builder takes it."""
    tables = []
    for words in (("--seed", "7"), ("7",), ("-s", "7")):
        folder = tmp_path / "-".join(words)
        folder.mkdir()
        desk = Desk(folder, capsys)
        desk("create", "6", "2", "0")
        desk("add", "r1z1-10.0.0.1:1/a", "9", "r1z2-10.0.0.2:1/a", "1", "r1z3-10.0.0.3:1/a", "1")
        desk("rebalance", *words)
        tables.append([row.tolist() for row in desk.builder().rows or []])
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(
    ("command", "value", "field", "expected"),
    [
        ("set_weight", "7.5", "weight", 7.5),
        ("set_region", "4", "region", 4),
        ("set_zone", "9", "zone", 9),
        ("set_info", "10.9.9.9:1R10.8.8.8:2/sdz_new", "device", "sdz"),
    ],
)
def test_devices_are_changed_by_search(
    filled: Desk, command: str, value: str, field: str, expected: object
) -> None:
    """The device found, and no other."""
    assert filled(command, "d3", value) == DONE
    changed = [getattr(device, field) for device in filled.builder().present()]
    assert changed[3] == expected
    assert changed.count(expected) == 1


def test_several_pairs_are_changed_in_one_go(filled: Desk) -> None:
    """Search and value, again and again."""
    assert filled("set_weight", "d0", "1", "d1", "2") == DONE
    assert [d.weight for d in filled.builder().present()][:2] == [1.0, 2.0]


def test_searches_by_option_take_one_value(filled: Desk) -> None:
    """The same search options for every subcommand."""
    assert filled("set_weight", "--zone", "2", "--device", "sdb", "55") == DONE
    assert [d.weight for d in filled.builder().present()] == [100, 100, 100, 55, 100, 100, 100, 100]
    assert filled("set_info", "--id", "0", "--change-meta", "new", "--change-port", "7000") == DONE
    first = next(filled.builder().present())
    assert (first.meta, first.port) == ("new", 7000)
    assert filled("set_weight", "--zone", "2", "d1", "55") == ERROR


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_more_than_one_device_is_asked_about(
    filled: Desk, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Only y is yes, and an end of input is no."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n" if answer else ""))
    assert filled("set_weight", "z1", "5") == (DONE if answer == "y" else ERROR)
    weights = [device.weight for device in filled.builder().present()]
    assert weights[:2] == ([5.0, 5.0] if answer == "y" else [100.0, 100.0])


def test_yes_answers_in_advance(filled: Desk) -> None:
    """For scripts."""
    assert filled("remove", "z1", "--yes") == DONE
    assert filled.builder().removed == [0, 1]
    filled("set_weight", "d0", "5")
    assert "marked for removal" in filled.printed


@pytest.mark.parametrize(
    "words",
    [
        ("set_weight", "d99", "1"),
        ("set_weight", "d1"),
        ("set_weight", "d1", "x"),
        ("set_weight", "nonsense", "1"),
        ("set_region", "d1", "1.5"),
        ("set_zone", "d1", "x"),
        ("set_info", "d1", "10.0.0.1:6200/sda"),
        ("set_info", "d1", "nonsense"),
        ("remove",),
        ("remove", "d99"),
        ("search",),
        ("search", "d99"),
        ("search", "d1", "d2"),
        ("list_parts", "d99"),
        ("set_replicas", "0.5"),
        ("set_replicas", "x"),
        ("set_replicas",),
        ("set_overload", "-1"),
        ("set_overload",),
        ("set_min_part_hours", "x"),
        ("set_min_part_hours",),
        ("no_such_command",),
        ("finish_increase_partition_power",),
        ("cancel_increase_partition_power",),
        ("increase_partition_power",),
        ("write_builder",),
    ],
)
def test_what_can_not_be_done_changes_nothing(filled: Desk, words: tuple[str, ...]) -> None:
    """Exit code 2 and the builder as it was."""
    before = filled.path.read_bytes()
    assert filled(*words) == ERROR
    assert filled.printed
    assert filled.path.read_bytes() == before


def test_removed_devices_are_gone_after_a_rebalance(filled: Desk) -> None:
    """Their ids are free again, and the overview marks them before."""
    filled("remove", "d2")
    filled()
    assert "DEL" in filled.printed
    assert filled("rebalance") == DONE
    assert filled.builder().devices[2] is None
    filled("add", "r1z2-10.0.0.2:6200/new", "1")
    assert "got id 2" in filled.printed


def test_numbers_are_set(filled: Desk) -> None:
    """Replicas, overload by factor or percent, hours."""
    assert filled("set_replicas", "2.5") == DONE
    assert filled("set_overload", "10%") == DONE
    assert filled.builder().overload == pytest.approx(0.1)
    assert filled("set_overload", "1.5") == WARNING
    assert filled("set_overload", "0.2") == DONE
    assert filled("set_min_part_hours", "48") == DONE
    assert filled("pretend_min_part_hours_passed") == DONE
    builder = filled.builder()
    assert (builder.replicas, builder.overload, builder.min_part_hours) == (2.5, 0.2, 48)
    assert builder.moved_hours_ago.tolist() == [255] * 256


def test_the_overview_shows_figures_and_devices(filled: Desk) -> None:
    """For people, and as JSON for programs."""
    assert filled() == DONE
    assert "256 partitions, 3.000000 replicas, 1 regions, 4 zones, 8 devices" in filled.printed
    assert "is up-to-date" in filled.printed
    filled("set_info", "d0", "_changed")
    filled("default")
    assert "is obsolete" in filled.printed
    (filled.folder / "object.ring.gz").write_bytes(b"x")
    filled()
    assert "is invalid" in filled.printed
    assert filled("--json") == DONE
    document = json.loads(filled.printed)
    assert document["partitions"] == 256
    assert [device["partitions"] for device in document["devices"]] == [96] * 8


def test_search_and_list_parts_show_what_matches(filled: Desk) -> None:
    """All partitions of a device, and how often several devices meet in one."""
    assert filled("search", "z1") == DONE
    assert len(filled.printed.splitlines()) == 3
    assert filled("search", "--meta", "shelf 2", "--json") == DONE
    assert [device["id"] for device in json.loads(filled.printed)] == [2, 3]
    assert filled("list_parts", "z1", "z2") == DONE
    lines = [line.split() for line in filled.printed.splitlines()[1:]]
    assert [int(matches) for _, matches in lines] == sorted((int(m) for _, m in lines), reverse=True)
    assert sum(int(matches) for _, matches in lines) == 4 * 96


def test_dispersion_reports_tiers(filled: Desk) -> None:
    """Good dispersion is exit code 0; tiers are listed when asked, and picked by a pattern."""
    assert filled("dispersion", "-v", r"r\d+z\d+$") == DONE
    rows = [line for line in filled.printed.splitlines() if line.startswith("r1z")]
    assert len(rows) == 4
    assert filled("dispersion", "--json", "--recalculate") == DONE
    assert json.loads(filled.printed)["dispersion"] == 0


def test_validate_finds_a_broken_table(filled: Desk) -> None:
    """Two replicas on one device."""
    assert filled("validate") == DONE
    builder = filled.builder()
    assert builder.rows
    builder.rows[1] = builder.rows[0]
    write_builder(builder, filled.path)
    assert filled("validate") == ERROR
    assert "twice" in filled.printed


def test_write_ring_follows_set_info(filled: Desk) -> None:
    """No rebalance is needed for a new address; ids may be made wider in version 2."""
    filled("set_info", "d0", "10.7.7.7")
    assert filled("write_ring") == DONE
    first = read_ring_file(filled.folder / "object.ring.gz").devices[0]
    assert first is not None
    assert first.ip == "10.7.7.7"
    assert filled("write_ring", "--format-version", "2", "--dev-id-bytes", "4") == DONE
    assert read_ring_file(filled.folder / "object.ring.gz").id_bytes == 4
    assert filled("write_ring", "--dev-id-bytes", "4") == ERROR


def test_a_lost_builder_is_made_from_the_ring(filled: Desk) -> None:
    """Named by the ring file; it can go on from there."""
    table = filled.builder().table().tolist()
    filled.path.unlink()
    assert run([str(filled.folder / "object.ring.gz"), "write_builder", "12"]) == DONE
    assert filled.builder().table().tolist() == table
    assert filled.builder().min_part_hours == 12
    assert filled("validate") == DONE
    assert filled() == DONE
    assert "up-to-date" in filled.printed


def test_version_tells_of_the_ring_file(filled: Desk) -> None:
    """Format and build."""
    assert filled("version") == DONE
    assert f"build version: {filled.builder().version}" in filled.printed


def test_the_partition_power_grows_in_steps(filled: Desk) -> None:
    """Prepare, increase, finish; every partition becomes two on the same devices; nothing else goes meanwhile."""
    assert filled("prepare_increase_partition_power") == DONE
    for words in (
        ("prepare_increase_partition_power",),
        ("rebalance",),
        ("remove", "d1"),
        ("add", "r1z1-1.1.1.1:1/x", "1"),
    ):
        assert filled(*words) == ERROR
    filled("write_ring")
    assert read_ring_file(filled.folder / "object.ring.gz").next_part_power == 9
    before = filled.builder().table()
    assert filled("increase_partition_power") == DONE
    builder = filled.builder()
    assert builder.part_power == 9
    assert builder.table()[::2].tolist() == builder.table()[1::2].tolist() == before.tolist()
    assert filled("increase_partition_power") == ERROR
    assert filled("finish_increase_partition_power") == DONE
    assert filled.builder().next_part_power is None
    assert filled("validate") == DONE


def test_an_increase_can_be_cancelled(filled: Desk) -> None:
    """Before it happened."""
    filled("prepare_increase_partition_power")
    assert filled("cancel_increase_partition_power") == DONE
    assert filled.builder().next_part_power == 8
    assert filled("finish_increase_partition_power") == DONE


def test_only_object_rings_increase_their_power(tmp_path: Path) -> None:
    """There is no relinker for databases."""
    path = tmp_path / "account.builder"
    write_builder(Builder(8, 3, 1), path)
    assert run([str(path), "prepare_increase_partition_power"]) == ERROR


@pytest.mark.parametrize("name", ["object.ring.gz", "object", "object.builder"])
def test_ring_and_builder_are_named_by_each_other(name: str) -> None:
    """The builder may be given by its ring's name."""
    builder, ring = file_names(name)
    assert ring == Path("object.ring.gz")
    assert builder == Path("object" if name == "object" else "object.builder")


def test_a_missing_or_bad_builder_is_an_error(desk: Desk) -> None:
    """For every subcommand that needs one."""
    assert desk() == ERROR
    assert desk("rebalance") == ERROR
    desk.path.write_bytes(b"nonsense")
    assert desk() == ERROR
    assert desk("add", "r1z1-10.0.0.1:1/a", "1") == ERROR
    assert desk("version") == ERROR


def test_builders_do_not_work_at_the_same_time(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change waits for the folder's lock, and gives up in the end; looking needs no lock."""
    monkeypatch.setattr("apus.ring.console.session.LOCK_SECONDS_MAX", 0.05)
    with locked(filled.folder):
        assert filled("set_replicas", "2") == ERROR
        assert "locked" in filled.printed
        assert filled() == DONE
    assert filled("set_replicas", "2") == DONE


def test_every_subcommand_explains_itself(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """In the summary and with --help."""
    assert run([]) == DONE
    summary = capsys.readouterr().out
    for name in COMMANDS:
        assert name in summary
        with pytest.raises(SystemExit) as left:
            desk(name, "--help")
        assert left.value.code == 0


@pytest.mark.parametrize("name", ["plain", "regions", "holes"])
def test_stock_builders_are_worked_on(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A file that stock Swift wrote is shown, rebalanced and validated."""
    desk = Desk(tmp_path, capsys)
    shutil.copy(FIXTURES / f"{name}.builder", desk.path)
    assert desk() == DONE
    assert desk("dispersion", "-v") in (DONE, WARNING)
    if name == "holes":
        assert desk("cancel_increase_partition_power") == DONE
        assert desk("finish_increase_partition_power") == DONE
    desk("pretend_min_part_hours_passed")
    assert desk("rebalance", "-f", "-d") in (DONE, WARNING)
    assert desk("validate") == DONE
