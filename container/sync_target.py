"""Which containers of other clusters a container may be synchronised to.

    X-Container-Sync-To ──▶ SyncTargets.resolve() ──▶ SyncTarget(url, realm), None, or Refused

`//realm/cluster/account/container` is looked up in container-sync-realms.conf; a URL's host must be one
that the operator allows. Whether anything is synchronised is not decided here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from ..common import sync_realms
from ..common.errors import Refused
from ..common.sync_realms import Realm, Realms


@dataclass(frozen=True, slots=True)
class SyncTarget:
    """A container of another cluster; without a realm its own key is all that opens it."""

    url: str
    realm: Realm | None


@dataclass(frozen=True, slots=True)
class SyncTargets:
    """The operator's choice: hosts by name, and the file of realms."""

    hosts: tuple[str, ...]
    realms: Realms

    @classmethod
    def from_options(cls, options: Mapping[str, str], swift_dir: str) -> SyncTargets:
        """Read `allowed_sync_hosts`, as stock Swift names it."""
        hosts = options.get("allowed_sync_hosts", "127.0.0.1").split(",")
        realms = Realms(os.path.join(swift_dir, sync_realms.FILE))
        return cls(tuple(host.strip() for host in hosts if host.strip()), realms)

    def check(self, value: str | None) -> None:
        """Refuse a target that is malformed or not allowed; none, or an empty one, is right."""
        self.resolve(value)

    def resolve(self, value: str | None) -> SyncTarget | None:
        """Return where a target is, None for none or an empty one.

        Raises:
            Refused: when it is malformed or not allowed.
        """
        target = (value or "").rstrip("/")
        if not target:
            return None
        if target.startswith("//"):
            return self._in_realm(target)
        try:
            url = urlsplit(target)
            port = url.port
        except ValueError as problem:
            raise Refused(f"Invalid URL in X-Container-Sync-To: {problem}") from problem
        if url.scheme not in ("http", "https"):
            raise Refused(
                f'Invalid scheme {url.scheme!r} in X-Container-Sync-To, must be "//", "http", or "https".'
            )
        if not url.path:
            raise Refused("Path required in X-Container-Sync-To")
        if url.query or url.fragment or ";" in url.path.rpartition("/")[2]:
            raise Refused("Params, queries, and fragments not allowed in X-Container-Sync-To")
        host = url.hostname
        if host is None or host not in self.hosts:
            raise Refused(f"Invalid host {host!r} in X-Container-Sync-To")
        place = f"[{host}]" if ":" in host else host
        if port is not None:
            place += f":{port}"
        return SyncTarget(f"{url.scheme}://{place}{_canonical(url.path)}", None)

    def _in_realm(self, target: str) -> SyncTarget:
        parts = target[2:].split("/")
        if len(parts) != 4:
            raise Refused(f"Invalid X-Container-Sync-To format {target!r}")
        realm = self.realms.realm(parts[0])
        if realm is None or not realm.key:
            raise Refused(f"No realm key for {parts[0]!r}")
        endpoint = realm.clusters.get(parts[1].upper())
        if not endpoint:
            raise Refused(f"No cluster endpoint for {parts[0]!r} {parts[1]!r}")
        return SyncTarget(f"{endpoint.rstrip('/')}{_canonical('/'.join(('', *parts[2:])))}", realm)


def _canonical(path: str) -> str:
    """Return a path, which users may write as they like, in the one spelling that is sent and signed."""
    return quote(unquote(path, errors="surrogateescape"), errors="surrogateescape")
