"""A log line is one line, and carries the transaction id that the client saw."""

from __future__ import annotations

import io
import json
import logging
import shutil
from pathlib import Path

import pytest

from apus.common import logs
from apus.common.concurrency import sleep
from apus.common.errors import Refused
from apus.common.logs import transaction_id


def lines_of(path: Path, log_format: str) -> list[str]:
    logs.configure({"log_file": str(path), "log_format": log_format}, "test-server")
    token = transaction_id.set("tx1")
    logging.getLogger("a").info("stored\nforged line", extra={"bytes": 5, "object": 'a b="c"\n'})
    transaction_id.reset(token)
    return path.read_text().splitlines()


def test_text_lines_cannot_be_forged(tmp_path: Path) -> None:
    """Whatever a client puts into a name, a record stays one line."""
    (line,) = lines_of(tmp_path / "log", "text")
    assert line.split(" ", 1)[1] == (
        'info test-server tx1 stored\\nforged line bytes=5 object="a b=\\"c\\"\\n"'
    )


def test_json_lines_are_objects(tmp_path: Path) -> None:
    """JSON lines hold the same fields, typed."""
    (line,) = lines_of(tmp_path / "log", "json")
    record = json.loads(line)
    assert (record["txn"], record["bytes"], record["message"]) == ("tx1", 5, "stored\nforged line")


def test_a_bad_level_is_refused() -> None:
    """An unknown level stops the start."""
    with pytest.raises(Refused, match="log_level"):
        logs.configure({"log_level": "LOUD"}, "x")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_frequent_lines_read_like_records(tmp_path: Path, log_format: str) -> None:
    """And keep their place among them: a record writes first what waited before it."""
    path = tmp_path / "log"
    logs.configure({"log_file": str(path), "log_format": log_format}, "test-server")
    log = logging.getLogger("a.b")
    fields: dict[str, object] = {"bytes": 5, "object": 'a b="c"\n', "none": "", "seconds": 0.25}
    for given in (fields, {"bytes": 5, "object": "a"}, {"object": ""}):
        logs.frequent(log, "request", given.copy)
        log.info("request", extra=given)
    texts = path.read_text().splitlines()
    parts = [line.partition("info" if log_format == "text" else '"level"')[2] for line in texts]
    assert len(parts) == 6
    assert parts[0::2] == parts[1::2]


def test_frequent_lines_are_written_soon(tmp_path: Path) -> None:
    """Without anything else happening, and however many there are; also to a file put in the old one's place."""
    path = tmp_path / "log"
    logs.configure({"log_file": str(path)}, "test-server")
    log = logging.getLogger("a")
    logs.frequent(log, "one", dict)
    assert path.read_text() == ""
    sleep(logs.GATHERED_SECONDS * 4)
    assert len(path.read_text().splitlines()) == 1
    path.rename(tmp_path / "old")
    for _ in range(logs.GATHERED_LINES_MAX):
        logs.frequent(log, "two", dict)
    assert len(path.read_text().splitlines()) == logs.GATHERED_LINES_MAX


def test_frequent_lines_reach_other_listeners(caplog: pytest.LogCaptureFixture) -> None:
    """As records, with their fields."""
    caplog.set_level(logging.INFO)
    logs.frequent(logging.getLogger("a"), "request", {"bytes": 5}.copy)
    [record] = caplog.records
    assert (record.getMessage(), record.bytes) == ("request", 5)  # type: ignore[attr-defined]


def test_a_goal_that_takes_no_line_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed stream, a folder that has gone: whoever logs goes on, and standard error tells of it."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure({}, "test-server")
    monkeypatch.undo()
    stream.close()
    logs.frequent(logging.getLogger("a"), "one", dict)
    logging.getLogger("a").error("two")
    folder = tmp_path / "folder"
    folder.mkdir()
    logs.configure({"log_file": str(folder / "log")}, "test-server")
    shutil.rmtree(folder)
    logs.frequent(logging.getLogger("a"), "three", dict)
    logging.getLogger("a").error("four")
    logs.frequent(logging.getLogger("a"), "five", dict)
    folder.mkdir()
    logging.getLogger("a").error("six")
    assert [line.split()[-1] for line in (folder / "log").read_text().splitlines()] == ["five", "six"]
    assert "ValueError" in capsys.readouterr().err
