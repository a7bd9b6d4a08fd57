"""The laws of the tools that show one file or database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from lone_files import directory, lay_data, lay_meta, lay_tombstone

from apus.account import schema as account_schema
from apus.bin import account_info, container_info, object_info
from apus.common.database import schema as database_schema
from apus.common.timestamp import Timestamp
from apus.container import schema as container_schema

DIGEST = "0123456789abcdef0123456789abcdef"
MOMENT = Timestamp.of(1700000000).internal


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = changeme\n")
    return folder


def test_a_sound_object_is_called_valid(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines are the stock tool's."""
    extra = {"X-Object-Meta-Color": "gr\u00c3\u00bcn", "X-Object-Sysmeta-A": "b", "Content-Encoding": "gzip"}
    path = lay_data(directory(tmp_path, 7, DIGEST), 1700000000, b"body", name="/a/c/o \u00fc", extra=extra)
    assert object_info.main([str(path), "-d", str(etc)]) == 0
    told = capsys.readouterr().out
    assert "Path: /a/c/o \u00fc\n  Account: a\n  Container: c\n  Object: o \u00fc\n  Object hash: " in told
    assert "Timestamp: 2023-11-14T22:13:20.000000 (1700000000.00000)\n" in told
    assert "System Metadata:\n  X-Object-Sysmeta-A: b\n" in told
    assert "User Metadata:\n  X-Object-Meta-Color: gr\u00fcn\n" in told
    assert "Other Metadata:\n  Content-Encoding: gzip\n" in told
    assert told.endswith("ETag: 841a2d689ad86bd1611447453c22c6fc (valid)\nContent-Length: 4 (valid)\n")


def test_a_spoiled_object_is_told_of(tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Body and length are compared with what the metadata says."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1700000000, b"body")
    path.write_bytes(b"bodies")
    assert object_info.main([str(path), "-d", str(etc), "--drop-prefixes"]) == 0
    told = capsys.readouterr().out
    assert "doesn't match file hash of" in told
    assert "Content-Length: 4 doesn't match file length of 6" in told


def test_every_kind_of_file_can_be_shown(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metadata files and tombstones have no body to check."""
    folder = directory(tmp_path, 7, DIGEST)
    for path in (lay_meta(folder, 1700000001, {"X-Object-Meta-A": "b"}), lay_tombstone(folder, 1700000002)):
        assert object_info.main([str(path), "-d", str(etc)]) == 0
        assert "ETag" not in capsys.readouterr().out


def test_the_attributes_are_shown_as_they_lie(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names and sizes, so that an operator sees how near a file is to what its file system allows."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1700000000, b"body")
    size = len(os.getxattr(path, "user.swift.metadata"))
    assert object_info.main([str(path), "-d", str(etc), "--attributes"]) == 0
    assert f"Attribute: user.swift.metadata ({size} bytes)\n" in capsys.readouterr().out


def test_what_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence, not a traceback."""
    assert object_info.main([str(tmp_path / "none.data")]) == 1
    assert container_info.main([str(tmp_path / "none.db")]) == 1
    assert "doesn't exist" in capsys.readouterr().err


def test_a_container_database_is_shown(tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read only, with its metadata and how far its copies have come."""
    path = str(tmp_path / "x.db")
    birth = container_schema.Birth(
        account="a", container="c", created_at=MOMENT, put_timestamp=MOMENT, policy_index=0, id="id-1"
    )
    database_schema.create(path, lambda database: container_schema.fill(database, birth))
    with closing(sqlite3.connect(path)) as database:
        stored = '{"X-Container-Meta-Color": ["red", "1"], "X-Container-Read": [".r:*", "1"]}'
        database.execute("UPDATE container_info SET metadata = ?", (stored,))
        database.execute("INSERT INTO incoming_sync (remote_id, sync_point) VALUES ('other', 7)")
        database.commit()
    assert container_info.main([path, "-d", str(etc), "--sync"]) == 0
    told = capsys.readouterr().out
    for line in (
        "Path: /a/c\n",
        "  Deleted: False\n",
        "  Put Timestamp: 2023-11-14T22:13:20.000000 (1700000000.00000)\n",
        "  Storage Policy: Policy-0 (0)\n",
        "  UUID: id-1\n",
        "  User Metadata:\n    X-Container-Meta-Color: red\n",
        "  X-Container-Read: .r:*\n",
        "Incoming Syncs:\n",
        "  7         \tother    \t",
    ):
        assert line in told


def test_an_account_database_is_no_container_database(
    tmp_path: Path, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong tool says so."""
    path = str(tmp_path / "x.db")
    birth = account_schema.Birth(account="a", created_at=MOMENT, put_timestamp=MOMENT, id="id-1")
    database_schema.create(path, lambda database: account_schema.fill(database, birth))
    assert account_info.main([path, "-d", str(etc)]) == 0
    assert "  Container Count: 0\n" in capsys.readouterr().out
    assert container_info.main([path, "-d", str(etc)]) == 1
    assert 'Does not appear to be a DB of type "container"' in capsys.readouterr().err
