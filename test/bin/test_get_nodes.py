"""The laws of apus-get-nodes: where a thing is, in lines to paste into a shell."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest

from apus.bin.get_nodes import main

FIXTURES = Path(__file__).parent.parent / "ring" / "fixtures"
CONF = """[swift-hash]
swift_hash_path_suffix = salt
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = silver
"""
Tool = Callable[..., list[str]]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    (tmp_path / "swift.conf").write_text(CONF)
    for name in ("account", "container", "object", "object-1"):
        shutil.copy(FIXTURES / "plain.ring.gz", tmp_path / f"{name}.ring.gz")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["apus-get-nodes", "-d", str(tmp_path), *words])
        capsys.readouterr()
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_an_object_is_where_its_hash_says(tool: Tool) -> None:
    """Partition, hash, three primaries, three handoffs, and a command for each."""
    path_hash = md5(b"/AUTH_a/c/o/psalt").hexdigest()
    lines = tool("object.ring.gz", "AUTH_a", "c", "o/p")
    assert f"Hash     \t{path_hash}" in lines
    partition = int(path_hash[:2], 16) >> 1
    assert f"Partition\t{partition}" in lines
    places = [line for line in lines if line.startswith("Server:Port")]
    assert [line.endswith("[Handoff]") for line in places] == [False] * 3 + [True] * 3
    curls = [line for line in lines if line.startswith("curl")]
    assert len(curls) == 6
    assert f'/{partition}/AUTH_a/c/o/p"' in curls[0]
    folder = f"objects/{partition}/{path_hash[-3:]}/{path_hash}"
    assert all(folder in line for line in lines if line.startswith("ssh"))


def test_a_policy_names_its_ring_and_folder(tool: Tool) -> None:
    """The index goes into the header and the folder's name."""
    lines = tool("-P", "silver", "AUTH_a", "c", "o")
    assert any("X-Backend-Storage-Policy-Index: 1" in line for line in lines)
    assert any("/objects-1/" in line for line in lines)
    assert tool("-P", "silver", "-p", "5") == tool("-p", "5", "-P", "silver")


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (("account.ring.gz", "AUTH_a"), "accounts/"),
        (("container.ring.gz", "AUTH_a/c"), "containers/"),
        (("object-1.ring.gz", "/AUTH_a/c/o"), "objects-1/"),
        (("container.ring.gz", "-p", "7"), "containers/7"),
        (("object.ring.gz", "-p", "0"), "objects/0"),
    ],
)
def test_the_folder_follows_from_the_thing(tool: Tool, words: tuple[str, ...], folder: str) -> None:
    """Names may come as one word with slashes; a partition alone is placed by its ring's name."""
    assert any(folder in line for line in tool(*words) if line.startswith("ssh"))


def test_all_handoffs_on_request(tool: Tool) -> None:
    """Every device of the ring, once."""
    lines = tool("-a", "object.ring.gz", "-p", "3")
    assert len([line for line in lines if line.startswith("Server:Port")]) == 12


def test_quoted_names_are_unquoted(tool: Tool) -> None:
    """As they are copied from a log."""
    assert tool("-Q", "object.ring.gz", "AUTH_a/c/o%20p") == tool("object.ring.gz", "AUTH_a/c/o p")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("object.ring.gz",),
        ("AUTH_a", "c", "o"),
        ("missing.ring.gz", "AUTH_a"),
        ("-P", "bronze", "AUTH_a"),
        ("object.ring.gz", "a", "b", "c", "d"),
        ("object.ring.gz", "-p", "128"),
        ("object.ring.gz", "-p", "-1"),
    ],
)
def test_what_can_not_be_found_is_said(tool: Tool, words: tuple[str, ...]) -> None:
    """An error message and a failing exit code."""
    with pytest.raises(SystemExit) as left:
        tool(*words)
    assert left.value.code not in (0, None)
