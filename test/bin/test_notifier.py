"""How the notifier is set up, and what it leaves for recon."""

from __future__ import annotations

from pathlib import Path

import pytest

from apus.bin.allinone import confs
from apus.bin.allinone.cluster import Cluster
from apus.bin.allinone.layout import Layout
from apus.bin.notifier import NotifierSettings
from apus.common import recon_cache
from apus.common.config import parse, read_ini
from apus.common.recon import NOTIFIED, NOTIFIER_MOMENT, Recon, ReconConfig


def test_a_share_that_is_nobodys_is_refused() -> None:
    """Processes are counted from 0."""
    assert NotifierSettings(processes=2, process=1).process == 1
    with pytest.raises(ValueError, match="process"):
        NotifierSettings(processes=2, process=2)


def test_several_notifiers_are_told_as_one(tmp_path: Path) -> None:
    """Waiting events are added, the oldest is the oldest, and the one that lags says how new it all is."""
    for process, (waiting, oldest, finished) in enumerate(((1, 5.0, 100.0), (2, 3.0, 90.0))):
        figures = {"waiting": waiting, "in_doubt": 0, "oldest_seconds": oldest}
        left = {str(process): {"finished": finished, "targets": {"hook": figures}}}
        recon_cache.leave(tmp_path, "container", {"notifier_last_pass": left})
    recon = Recon(ReconConfig(recon_cache_path=str(tmp_path)))
    assert recon._notified("waiting") == {("hook",): 3.0}
    assert recon._notified("oldest_seconds") == {("hook",): 5.0}
    assert recon._notifier_moment() == {(): 90.0}
    assert set(NOTIFIED) == {"waiting", "in_doubt", "oldest_seconds"}
    assert NOTIFIER_MOMENT is not None


def test_the_all_in_one_has_one_where_a_target_is_named(tmp_path: Path) -> None:
    """Its conf is written then, and not over a person's."""
    layout = Layout.fresh(tmp_path, bind_ip="127.0.0.1", port=8080, workers=1, nodes=4)
    cluster = Cluster(layout)
    assert cluster._notifier() == ()
    layout.etc.mkdir(parents=True)
    (layout.etc / "notification-targets.conf").write_text("[a]\nurl = http://h/\n")
    assert cluster._notifier() == (layout.notifier,)
    said = read_ini(layout.notifier.conf)["container-notifier"]
    assert parse(NotifierSettings, said).swift_dir == str(layout.etc)
    layout.notifier.conf.write_text("mine")
    assert cluster._notifier() == (layout.notifier,)
    assert layout.notifier.conf.read_text() == "mine"
    assert confs.notifier_conf(layout)
