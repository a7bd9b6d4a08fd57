"""Apus as a peer: its own programs and its default pipeline in the common shape (shape.py).

    Apus(folder) ──▶ apus-*-server, the program that makes writes durable

It knows no load.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .peer import Role
from .shape import Shape, sections

FILTERS = "catch_errors gatekeeper healthcheck metrics proxy_logging cache listing_formats tempauth"
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
        }
        return sections("apus", kind, FILTERS.split(), options)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """Servers by what they serve, and whoever makes their writes durable."""
        return {**super().pids(), Role.COMMITS: list(_commit_programs())}

    def replicate_containers(self) -> None:
        """Bring every container database to where it belongs."""
        program = str(_PROGRAMS / "apus-container-replicator")
        conf = str(self.home / "container-server.conf")
        subprocess.run([program, conf, "--once"], check=True, capture_output=True)


def _commit_programs() -> Iterator[int]:
    """Those that make rounds of syncfs: servers start them, and they outlive who started them."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue  # It ended while we read.
        if any(word.endswith(b"/common/commit_rounds.py") for word in words):
            yield int(place.parent.name)
