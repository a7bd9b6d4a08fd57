"""One replica of a database on another node, as we talk to it.

    Peer.sync(summary) ──▶ their summary | absent          Peer.send_rows, send_points
    Peer.send_copy(file) ──▶ by HTTP to one of ours, by rsync to a stock server, then "give it its place"

The words are stock Swift's REPLICATE requests in JSON; only the HTTP copy is ours, and the peer says that it
understands it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..common import concurrency
from ..common.database.exchange import ACCEPTED, COPY_HEADER
from ..common.database.replica import Item, SyncPoint
from ..common.errors import Missing, OutOfSpace, Unavailable
from ..common.http.client import Pool, Response
from ..ring.device import Device

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_ANSWER_MAX = 64 << 20
_SYNC_KEYS = ("max_row", "hash", "id", "created_at", "put_timestamp", "delete_timestamp", "metadata")
_POLICY_KEYS = ("status_changed_at", "count", "storage_policy_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """How long a peer may take, and how rsync names its devices."""

    timeout_seconds: float
    connect_timeout_seconds: float
    rsync_module: str


class Peer:
    """A database's replica on one device of another node."""

    def __init__(self, pool: Pool, device: Device, partition: int, name: str, settings: PeerSettings) -> None:
        self.device = device
        self._pool = pool
        self._name = name
        self._path = f"/{device.device}/{partition}/{name}"
        self._settings = settings
        self._takes_copies = False

    def sync(self, summary: Item) -> Item:
        """Tell our summary and return theirs.

        Raises:
            Missing: when they have no such database.
            OutOfSpace: when their device is not there or full.
            Unavailable: when they do not answer.
        """
        keys = _SYNC_KEYS + (_POLICY_KEYS if "storage_policy_index" in summary else ())
        response = self._call("sync", *(summary[key] for key in keys))
        self._takes_copies = response.headers.get(COPY_HEADER) == ACCEPTED
        body = response.read(_ANSWER_MAX) if response.status != 204 else b""
        response.close()
        if response.status == 404:
            raise Missing(f"{self._where()} has no such database")
        self._expect(response)
        try:
            theirs: Item = dict(json.loads(body))
            theirs |= {"point": int(theirs["point"]), "max_row": int(theirs["max_row"])}
            theirs |= {"id": str(theirs["id"]), "hash": str(theirs["hash"])}
        except (ValueError, TypeError, LookupError) as problem:
            raise Unavailable(f"{self._where()} answered nonsense to sync") from problem
        return theirs

    def send_rows(self, rows: Sequence[Item], our_id: str) -> None:
        """Have them merge rows of ours."""
        self._command("merge_items", rows, our_id)

    def send_points(self, points: Sequence[SyncPoint]) -> None:
        """Tell them whose rows else we have, and how far: what came to us from others is theirs now too."""
        self._command("merge_syncs", points)

    def send_copy(self, path: str, our_id: str, *, merge: bool) -> None:
        """Send a file that is our database, and have it take its place there."""
        if self._takes_copies:
            self._push(path, our_id)
        else:
            self._rsync(path, our_id)
        self._command("rsync_then_merge" if merge else "complete_rsync", our_id, f"{self._name}.db")

    def _command(self, operation: str, *arguments: Any) -> None:
        response = self._call(operation, *arguments)
        response.drain(_ANSWER_MAX)
        response.close()
        self._expect(response)

    def _call(self, operation: str, *arguments: Any) -> Response:
        return self._pool.request(
            self.device.replication_address,
            "REPLICATE",
            self._path,
            {"Content-Type": "application/json"},
            json.dumps([operation, *arguments]).encode(),
            timeout_seconds=self._settings.timeout_seconds,
        )

    def _expect(self, response: Response) -> None:
        if response.status == 507:
            raise OutOfSpace(f"{self._where()} is not mounted or full")
        if response.status // 100 != 2:
            raise Unavailable(f"{self._where()} answered {response.status}")

    def _push(self, path: str, our_id: str) -> None:
        headers = {COPY_HEADER: our_id, "Content-Type": "application/octet-stream"}
        with open(path, "rb") as handle:
            length = os.fstat(handle.fileno()).st_size
            exchange = self._pool.open(
                self.device.replication_address,
                "REPLICATE",
                self._path,
                headers,
                length=length,
                timeout_seconds=self._settings.timeout_seconds,
            )
            try:
                while chunk := handle.read(_CHUNK_BYTES):
                    exchange.send(chunk)
                exchange.finish()
                response = exchange.response()
            except BaseException:
                exchange.abort()
                raise
        response.drain(_ANSWER_MAX)
        response.close()
        self._expect(response)

    def _rsync(self, path: str, our_id: str) -> None:
        """Hand the file to rsync, as stock nodes take it; they have made tmp/ when they answered `sync`."""
        module = self._settings.rsync_module.format(
            ip=self.device.ip,
            port=self.device.port,
            replication_ip=self.device.replication_ip,
            replication_port=self.device.replication_port,
            device=self.device.device,
            region=self.device.region,
            zone=self.device.zone,
        )
        command = [
            "rsync",
            "--quiet",
            "--no-motd",
            "--whole-file",
            f"--timeout={math.ceil(self._settings.timeout_seconds)}",
            f"--contimeout={math.ceil(self._settings.connect_timeout_seconds)}",
            path,
            f"{module}/{self.device.device}/tmp/{our_id}",  # noqa: S108 - a folder of the peer's device
        ]
        try:
            done = concurrency.in_native_thread(_run, command)
        except OSError as problem:
            raise Unavailable(f"rsync cannot be run: {problem}") from problem
        if done.returncode:
            log.error("rsync failed", extra={"code": done.returncode, "said": done.stderr[-500:]})
            raise Unavailable(f"rsync to {self._where()} failed with {done.returncode}")

    def _where(self) -> str:
        return f"{self.device.replication_ip}:{self.device.replication_port}/{self.device.device}"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    native = concurrency.original("subprocess")
    done: subprocess.CompletedProcess[str] = native.run(command, capture_output=True, text=True, check=False)
    return done
