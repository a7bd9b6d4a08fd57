"""Which containers of other clusters a container may be synchronised to.

    X-Container-Sync-To ──▶ SyncTargets.check() ──▶ nothing, or Refused

`//realm/cluster/account/container` is checked against container-sync-realms.conf; a URL's host must be one
that the operator allows. Whether anything is synchronised is not decided here.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..common.errors import Refused

REALMS_FILE = "container-sync-realms.conf"


@dataclass(frozen=True, slots=True)
class SyncTargets:
    """The operator's choice: hosts by name, and the file of realms (read when it is asked: seldom)."""

    hosts: tuple[str, ...]
    realms_path: str

    @classmethod
    def from_options(cls, options: Mapping[str, str], swift_dir: str) -> SyncTargets:
        """Read `allowed_sync_hosts`, as stock Swift names it."""
        hosts = options.get("allowed_sync_hosts", "127.0.0.1").split(",")
        return cls(
            tuple(host.strip() for host in hosts if host.strip()), os.path.join(swift_dir, REALMS_FILE)
        )

    def check(self, value: str | None) -> None:
        """Refuse a target that is malformed or not allowed; none, or an empty one, is right."""
        target = (value or "").rstrip("/")
        if not target:
            return
        if target.startswith("//"):
            self._check_realm(target)
            return
        url = urlsplit(target)
        if url.scheme not in ("http", "https"):
            raise Refused(
                f'Invalid scheme {url.scheme!r} in X-Container-Sync-To, must be "//", "http", or "https".'
            )
        if not url.path:
            raise Refused("Path required in X-Container-Sync-To")
        if url.query or url.fragment:
            raise Refused("Params, queries, and fragments not allowed in X-Container-Sync-To")
        if url.hostname not in self.hosts:
            raise Refused(f"Invalid host {url.hostname!r} in X-Container-Sync-To")

    def _check_realm(self, target: str) -> None:
        parts = target[2:].split("/")
        if len(parts) != 4:
            raise Refused(f"Invalid X-Container-Sync-To format {target!r}")
        realms = configparser.ConfigParser(interpolation=None)
        try:
            realms.read(self.realms_path)
        except configparser.Error as problem:
            raise Refused(f"{self.realms_path} is not readable: {problem}") from problem
        section = next((name for name in realms.sections() if name.upper() == parts[0].upper()), None)
        if section is None or not realms.get(section, "key", fallback=""):
            raise Refused(f"No realm key for {parts[0]!r}")
        if not realms.get(section, f"cluster_{parts[1].lower()}", fallback=""):
            raise Refused(f"No cluster endpoint for {parts[0]!r} {parts[1]!r}")
