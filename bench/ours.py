"""Apus as a peer: its own programs and its default pipeline in the common shape (shape.py).

    Apus(folder) ──▶ apus-*-server, the program that makes writes durable

It knows no load.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from apus.bin.samples import PROXY_FILTERS
from apus.common.shared_rounds import NAME

from .peer import Role
from .shape import Shape, sections

STORAGE_FILTERS = ("healthcheck", "metrics", "recon")
_PROGRAMS = Path(sys.executable).parent


class Apus(Shape):
    """One cluster of ours."""

    title = "Apus"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "apus")

    def program(self, kind: str, conf: Path) -> Sequence[str]:
        """Our server."""
        return [str(_PROGRAMS / f"apus-{kind}-server"), str(conf)]

    def builder(self) -> str:
        """Ours."""
        return str(_PROGRAMS / "apus-ring-builder")

    def pipeline(self, kind: str) -> Sequence[str]:
        """The default one."""
        if kind != "proxy":
            # A file of gigabytes is not made durable in the ten seconds that a partner is given otherwise.
            replicator = ["[container-replicator]", "node_timeout = 600"] if kind == "container" else []
            return [*sections("apus", kind, STORAGE_FILTERS, {}), *replicator]
        options = {
            "proxy-server": ["account_autocreate = true"],
            "tempauth": ["reseller_prefix = AUTH", "user_test_tester = testing .admin"],
            "versioned_writes": ["allow_versioned_writes = true", "allow_object_versioning = true"],
        }
        return sections("apus", kind, [each.short_name for each in PROXY_FILTERS], options)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """Servers by what they serve, and whoever makes their writes durable."""
        return {**super().pids(), Role.COMMITS: list(_commit_programs(self.devices))}

    def replicate_containers(self) -> None:
        """Bring every container database to where it belongs."""
        program = str(_PROGRAMS / "apus-container-replicator")
        conf = str(self.home / "container-server.conf")
        subprocess.run([program, conf, "--once"], check=True, capture_output=True)


def _commit_programs(place: Path) -> Iterator[int]:
    """That which makes rounds of syncfs for us there: servers start it, and it outlives who started it."""
    name = f"@{NAME}-{os.geteuid()}-{place.stat().st_dev}"
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    ears = {f"socket:[{line[6]}]" for line in lines if line[7:] == [name]}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "fd" / "0") in ears:
                yield int(entry.name)
        except OSError:
            continue  # It ended while we read, or is not ours.
