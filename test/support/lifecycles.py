"""Passes of the lifecycle daemon over all nodes of a cluster, with settings of a test's own.

AllInOne ──pass_of_all_nodes(dry_run="yes")──▶ one process, a fork of it per node ──▶ counts, summed
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

from clusters import AllInOne

from apus.bin.allinone.order import ROOM_FOR_TITLE, Birth, Order

SECTION = "container-lifecycle"
TIMEOUT_SECONDS = 300


def pass_of_all_nodes(cluster: AllInOne, folder: Path, **settings: str) -> dict[str, int]:
    """Let each storage node carry out the rules of its buckets, whosever turn it is; return the counts."""
    folder.mkdir(exist_ok=True)
    births = [
        _birth(conf, folder, settings) for conf in sorted(cluster.home.glob("*/etc/container-server.conf"))
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "apus.bin.allinone.nursery", ROOM_FOR_TITLE],
        input=json.dumps(Order(mode="run", services=births)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    logs = "".join(Path(birth["log"]).read_text() for birth in births)
    assert ran.returncode == 0, ran.stderr + logs
    assert "Traceback" not in logs, logs
    counts: dict[str, int] = {}
    for birth in births:
        left = json.loads((Path(birth["log"]).parent / "container.recon").read_text())["lifecycle_last_pass"][
            "counts"
        ]
        for name, count in left.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _birth(conf: Path, folder: Path, settings: dict[str, str]) -> Birth:
    node = conf.parent.parent.name
    own = folder / node
    own.mkdir(exist_ok=True)
    parser = configparser.RawConfigParser()
    parser.read(conf)
    if not parser.has_section(SECTION):
        parser.add_section(SECTION)
    for name, value in {"every_turn": "yes", "recon_cache_path": str(own), **settings}.items():
        parser.set(SECTION, name, value)
    path, log = own / "container-server.conf", own / "lifecycle.log"
    with path.open("w") as file:
        parser.write(file)
    log.unlink(missing_ok=True)
    return Birth(
        module="apus.bin.container_lifecycle",
        argv=["apus-container-lifecycle", str(path), "--once", "-v"],
        log=str(log),
        pid_file=str(own / "pid"),
        announces=False,
    )
