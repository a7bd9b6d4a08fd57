"""Object names and file names, and which may become which."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.bin.client.names import Place, Unfit, forgiving_path, is_excluded, object_name, relative_path, shown
from apus.common.errors import Refused


@given(st.text())
def test_what_is_written_stays_below_the_folder(name: str) -> None:
    """Whatever the object is called, its path has no part that leads out, and means that name alone."""
    try:
        path = relative_path(name)
    except (Unfit, UnicodeEncodeError):
        return
    assert path == name
    assert not {"", ".", ".."} & set(path.split("/"))
    assert PurePosixPath(path).parts == tuple(path.split("/"))


@pytest.mark.parametrize("name", ["../x", "a/../x", "/x", "a//b", "a/", ".", "", "a/./b", "x" * 256, "a\0b"])
def test_a_name_that_is_no_path_is_refused(name: str) -> None:
    """Another file, or none, would be written."""
    with pytest.raises(Unfit):
        relative_path(name)


def test_download_forgives_slashes_but_not_the_way_up() -> None:
    """`a//b` lands where `swift` puts it; `..` never does."""
    assert forgiving_path("/a//b/") == "a/b"
    with pytest.raises(Unfit):
        forgiving_path("a/../../b")


def test_a_file_name_that_is_not_utf8_is_no_object() -> None:
    """It is refused with a sentence, not sent as something else."""
    with pytest.raises(Unfit):
        object_name(os.fsdecode(b"caf\xe9"))


def test_a_place_is_a_container_and_a_prefix() -> None:
    """store:CONTAINER/PREFIX; anything else is a folder."""
    assert Place.read("store:c/a/b/") == Place("c", "a/b/")
    assert Place.read("store:c") == Place("c")
    assert Place.read("c/a") is None
    with pytest.raises(Refused):
        Place.read("store:")


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("a/b.tmp", "*.tmp", True),
        ("node_modules/x/y", "node_modules", True),
        ("a/node_modules", "node_modules/", True),
        ("a/b/c", "a/b", True),
        ("x/a/b", "a/b", False),
        ("a/b", "/a/", True),
        ("b/a", "/b/c", False),
        ("ab", "a", False),
    ],
)
def test_a_pattern_excludes(path: str, pattern: str, matches: bool) -> None:
    """Without a slash any part of the path, with one the path from the top."""
    assert is_excluded(path, (pattern,)) is matches


@given(st.text())
def test_a_name_does_no_harm_to_a_terminal(name: str) -> None:
    """No control character reaches the screen, and none that makes people read the name backwards."""
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown(name))
    assert not set(shown(name)) & set("\u2028\u202e\u2066")
