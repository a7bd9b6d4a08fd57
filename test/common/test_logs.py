"""A log line is one line, and carries the transaction id that the client saw."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from apus.common import logs
from apus.common.errors import Refused
from apus.common.logs import transaction_id


@pytest.fixture(autouse=True)
def _keep_root() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


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
