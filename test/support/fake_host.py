"""A host of an all-in-one's cloud that runs no machine: `apus-compute-agent` with the driver for measurements.

FakeHost(cluster).start() ──▶ servers become ACTIVE at once      .kill() ──▶ SIGKILL, and it has forgotten them
"""

from __future__ import annotations

import json
import subprocess
import sys

from clusters import AllInOne

from apus.compute.server.keys import host_key

NAME = "h1"
CONF = """[compute-agent]
host = {host}
api_url = {url}
key = {key}
driver = fake
folder = {folder}
console_port = 0
heartbeat_seconds = 0.5
"""


def secrets_of(cluster: AllInOne) -> dict[str, str]:
    """Return what the cloud's services know each other by."""
    known: dict[str, str] = json.loads((cluster.home / "cloud" / "etc" / "secrets.json").read_text())
    return known


class FakeHost:
    """One host."""

    def __init__(self, cluster: AllInOne) -> None:
        folder = cluster.home / "agent"
        folder.mkdir(exist_ok=True)
        url = str(cluster.status()["compute"]).removesuffix("/v2.1")
        key = host_key(secrets_of(cluster)["agent_secret"], NAME)
        self._conf = folder / "agent.conf"
        self._conf.write_text(CONF.format(host=NAME, url=url, key=key, folder=folder))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the agent, unless it runs."""
        if self._process is None or self._process.poll() is not None:
            with self._conf.with_suffix(".log").open("ab") as log:
                command = [sys.executable, "-m", "apus.bin.compute_agent", str(self._conf)]
                self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it, as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
