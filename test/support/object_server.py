"""An object server without a network, for tests: requests go straight into the application.

ObjectNode(tmp_path).put("/sda/1/a/c/o", b"body", at=1) ──▶ Reply
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from one_request import Reply, ask

from apus.common.cluster import ClusterConf
from apus.common.http.errors import ClientDisconnect
from apus.object.server import ObjectServer

PATH = "/sda/7/a/c/o"
SECTIONS = {
    "swift-hash": {"swift_hash_path_prefix": "changeme", "swift_hash_path_suffix": "changeme"},
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}


class BrokenInput(io.BytesIO):
    """A body whose sender goes away before its end."""

    def read(self, size: int | None = -1) -> bytes:
        """Return what came; then tell."""
        data = super().read(size)
        if not data:
            raise ClientDisconnect("gone")
        return data

    def readinto(self, buffer: Any) -> int:
        """Put what came into the buffer; then tell."""
        count = super().readinto(buffer)
        if not count:
            raise ClientDisconnect("gone")
        return count


def moment(second: float) -> str:
    """The X-Timestamp of a second after the tests' epoch."""
    return f"{1_700_000_000 + second:.5f}"


@dataclass
class ObjectNode:
    """One device of one node."""

    root: Path
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / "sda").mkdir(exist_ok=True)
        cluster = ClusterConf.from_sections(SECTIONS, self.root / "swift.conf")
        options = {
            "devices": str(self.root),
            "mount_check": "false",
            "fallocate_reserve": "0",
            **self.options,
        }
        self.server = ObjectServer(options, cluster)

    def ask(
        self,
        method: str,
        path: str = PATH,
        *,
        at: float | None = None,
        body: bytes = b"",
        broken: bool = False,
        chunked: bool = False,
        source: object = None,
        **headers: Any,
    ) -> Reply:
        """Send one request; header names are given with underscores."""
        environ: dict[str, object] = {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if at is not None:
            named["X-Timestamp"] = moment(at)
        if "Content-Type" in named:
            environ["CONTENT_TYPE"] = named.pop("Content-Type")
        if method in ("PUT", "REGISTER"):
            environ.setdefault("CONTENT_TYPE", "text/plain")
            environ["CONTENT_LENGTH"] = str(len(body))
        if chunked:
            environ["CONTENT_LENGTH"] = ""
            named["Transfer-Encoding"] = "chunked"
        if broken:
            environ["wsgi.input"] = BrokenInput(body[: len(body) // 2])
        if source is not None:
            environ["wsgi.input"] = source
        return ask(self.server, method, path, headers=named, body=body, environ=environ)

    def put(self, body: bytes = b"body", *, at: float, path: str = PATH, **headers: Any) -> Reply:
        """Store an object."""
        reply = self.ask("PUT", path, at=at, body=body, **headers)
        assert reply.status == 201, reply.text
        return reply

    def files(self) -> list[str]:
        """The names of all files of objects on the device."""
        return sorted(
            name
            for folder, _, names in os.walk(self.root / "sda" / "objects")
            for name in names
            if name.endswith((".data", ".meta", ".ts")) or not folder.endswith("/7")
        )

    def data_file(self) -> Path:
        """The only .data file."""
        (found,) = (self.root / "sda" / "objects").glob("*/*/*/*.data")
        return found

    def quarantined(self) -> list[str]:
        """What lies in quarantine."""
        folder = self.root / "sda" / "quarantined" / "objects"
        return sorted(os.listdir(folder)) if folder.exists() else []
