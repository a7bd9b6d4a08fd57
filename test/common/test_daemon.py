"""Daemons survive a bad pass; --once reports it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from apus.common.daemon import EXIT_CONF, EXIT_FAILED, Daemon, keep_running, run
from apus.common.errors import Refused, Unavailable


class Counting(Daemon):
    """Fails every other pass and stops the loop after four."""

    interval_seconds = 0

    def __init__(self) -> None:
        self.passes = 0

    def run_once(self) -> None:
        self.passes += 1
        if self.passes == 4:
            raise SystemExit
        if self.passes % 2:
            raise Unavailable("no peer answers")


def test_a_failed_pass_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a pass raises, the loop goes on; only an exit ends it."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    daemon = Counting()
    with pytest.raises(SystemExit):
        keep_running(daemon)
    assert daemon.passes == 4


def test_once_runs_one_pass_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--once makes one pass; its failure is the exit code and a sentence."""
    conf = tmp_path / "x.conf"
    conf.write_text("[DEFAULT]\ncolour = red\n[counter]\n")
    seen: list[Mapping[str, str]] = []

    def factory(options: Mapping[str, str]) -> Daemon:
        seen.append(options)
        return Counting()

    assert run(factory, "counter", [str(conf), "--once"]) == EXIT_FAILED
    assert seen[0]["colour"] == "red"
    assert "no peer answers" in capsys.readouterr().err


def test_a_bad_conf_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a missing section and a refused setting are exit 2 with a sentence."""

    def refusing(options: Mapping[str, str]) -> Daemon:
        raise Refused("devices = /nowhere: no such folder")

    conf = tmp_path / "x.conf"
    assert run(refusing, "counter", [str(conf), "--once"]) == EXIT_CONF
    conf.write_text("[other]\n")
    assert run(refusing, "counter", [str(conf), "--once"]) == EXIT_CONF
    conf.write_text("[counter]\n")
    assert run(refusing, "counter", [str(conf), "--once"]) == EXIT_CONF
    printed = capsys.readouterr().err
    assert "cannot read" in printed
    assert "has no section [counter]" in printed
    assert "no such folder" in printed
