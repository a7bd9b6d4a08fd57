"""Copies what changes in containers to containers of other clusters.

    container databases ──▶ X-Container-Sync-To? ──▶ rows since the last pass ──▶ HEAD, PUT, DELETE over there
                                                      └── bodies from `Source`, the rest of this cluster

Each container has two points in its rows, under stock Swift's names, so that its replicas share the work and
yet lose nothing while one of them is down:

    rows up to point 2    are over there
    rows up to point 1    have been dealt out, to each replica its share; now each looks at all of them
    rows beyond point 1   are new: each replica sends its share, chosen by the hash of the name

What is over there already costs a HEAD. It does not know how objects are stored.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.concurrency import Crew
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.database.layout import Location, databases, paced, usable_devices
from ..common.errors import ApusError, Missing, Refused
from ..common.sync_realms import FILE as REALMS_FILE
from ..common.sync_realms import Realms
from ..common.timestamp import Timestamp, decode_triple
from ..ring.mine import local_devices
from ..ring.watch import WatchedRing
from .broker import ContainerBroker, ContainerInfo
from .server import DATADIR
from .sync_remote import RemoteContainer
from .sync_target import SyncTargets

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 100
VERSIONS_CONTAINER = "X-Container-Sysmeta-Versions-Container"
VERSION_LINK = "x-object-sysmeta-versions-symlink"
ENCRYPTED = "x-object-sysmeta-crypto-body-meta"
_OURS_ALONE = frozenset(
    ("accept-ranges", "connection", "date", "keep-alive", "last-modified", "server", "set-cookie")
) | frozenset(("transfer-encoding", "vary", "x-openstack-request-id", "x-trans-id"))
LINK_SYSMETA = "x-object-sysmeta-symlink-"  # Stored under these names, and given by clients under those.
LINK_HEADER = "X-Symlink-"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """Settings of container sync."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(
        DEFAULT_DIRECTORY, help="Folder of swift.conf, the rings and container-sync-realms.conf."
    )
    bind_ip: str = setting("0.0.0.0", help="Address of this node's server, to find its devices in the ring.")
    bind_port: int = setting(0, help="Replication port of this node's server; 0 for any of this address.")
    interval: float = setting(300.0, help="Seconds from the start of one pass to the next.", minimum=0)
    container_time: float = setting(60.0, help="Seconds for one container in one pass.", minimum=0)
    containers_per_second: float = setting(50.0, help="Containers looked at a second at most.", minimum=0)
    sync_row_concurrency: int = setting(8, help="Objects of one container on their way at once.", minimum=1)
    conn_timeout: float = setting(5.0, help="Seconds to wait for the other cluster.", minimum=0)
    allowed_sync_hosts: tuple[str, ...] = setting(
        ("127.0.0.1",),
        help="Hosts that X-Container-Sync-To may name in a URL; what users may set is said by the container "
        "server's option of the same name.",
    )
    sync_proxy: tuple[str, ...] = setting((), help="HTTP proxies between the clusters; any one is used.")
    internal_client_conf_path: str = setting(
        "",
        help="A file with the pipeline that reads what is sent, such as `keymaster encryption proxy-server`, "
        "and its sections as in proxy-server.conf, without gatekeeper and auth. Encrypted objects need it.",
    )


class Original(Protocol):
    """An object of this cluster; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes]

    def close(self) -> None:
        """Let go of the body."""


Source = Callable[[ContainerInfo, str], Original]
"""Reads the newest copy of an object of this cluster, links as links."""


@dataclass(slots=True)
class Pass:
    """What a pass did."""

    containers: int = 0
    puts: int = 0
    deletes: int = 0
    bytes: int = 0
    skipped: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """Which rows of a container are this replica's to send first."""

    hash_of: Callable[[str], str]
    """The hash by which the ring knows a name, as 32 digits."""
    turn: int
    replicas: int

    def has(self, name: str) -> bool:
        """Whether it is this replica's."""
        return int(self.hash_of(name)[:8], 16) % self.replicas == self.turn


def sent_headers(original: Mapping[str, str]) -> dict[str, str]:
    """Return the headers under which an object is written over there."""
    kept = {
        name.title() if name.isascii() else name: value  # Letters of UTF-8 bytes have no case.
        for name, value in original.items()
        if name not in _OURS_ALONE and not name.startswith(("x-backend-", "x-object-sysmeta-"))
    }
    for name, value in original.items():
        if name.startswith(LINK_SYSMETA):
            kept[LINK_HEADER + name.removeprefix(LINK_SYSMETA).title()] = value
    if "Etag" in kept:
        kept["Etag"] = kept["Etag"].strip('"')
    if "Content-Type" in kept:
        words = kept["Content-Type"].split(";")
        kept["Content-Type"] = ";".join(word for word in words if not word.strip().startswith("swift_bytes="))
    return kept


class ContainerSync(Daemon):
    """Synchronises the containers of one node."""

    def __init__(
        self, options: Mapping[str, str], *, source: Source, cluster: ClusterConf | None = None
    ) -> None:
        settings = self.settings = parse(SyncSettings, options)
        self.interval_seconds = settings.interval
        self._source = source
        self._targets = SyncTargets(
            settings.allowed_sync_hosts, Realms(os.path.join(settings.swift_dir, REALMS_FILE))
        )
        self._salt = (cluster or ClusterConf.load(settings.swift_dir)).salt
        self._ring = WatchedRing(os.path.join(settings.swift_dir, "container.ring.gz"))
        self._pass = Pass()

    def run_once(self) -> None:
        """Look at every container once."""
        settings, begun = self.settings, time.monotonic()
        self._pass = done = Pass()
        mine = {
            device.device: device
            for device in local_devices(self._ring.current, settings.bind_ip, settings.bind_port or None)
        }
        for device in usable_devices(settings.devices, mount_check=settings.mount_check):
            if device in mine:
                found = databases(settings.devices, device, DATADIR)
                for location in paced(found, settings.containers_per_second):
                    self._look_at(location)
        log.info(
            "containers synchronised",
            extra={
                "containers": done.containers,
                "puts": done.puts,
                "deletes": done.deletes,
                "bytes": done.bytes,
                "skipped": done.skipped,
                "failures": done.failures,
                "seconds": round(time.monotonic() - begun, 3),
            },
        )

    def _look_at(self, location: Location) -> None:
        broker = ContainerBroker(location.path)
        try:
            self._synchronise(broker, location)
        except Missing:
            return
        except ApusError as problem:
            self._pass.failures += 1
            log.warning("container not synchronised", extra={"path": location.path, "problem": str(problem)})
        except Exception:  # noqa: BLE001 - whatever one container's owner has set, the others get their turn
            self._pass.failures += 1
            log.exception("container not synchronised", extra={"path": location.path})
        finally:
            broker.close()

    def _synchronise(self, broker: ContainerBroker, location: Location) -> None:
        """Send what is new in a container, if it is to be sent anywhere and this is one of its primaries."""
        metadata = {name.title(): value for name, (value, _) in broker.metadata().items()}
        wanted, key = metadata.get("X-Container-Sync-To"), metadata.get("X-Container-Sync-Key")
        if not wanted or not key:
            return
        info = broker.info()
        if info.deleted:
            return
        if metadata.get(VERSIONS_CONTAINER):
            self._pass.skipped += 1
            return
        share = self._share(info, location)
        if share is None:
            return
        target = self._targets.resolve(wanted)
        if target is None:
            return
        settings = self.settings
        remote = RemoteContainer(target, key, settings.conn_timeout, settings.sync_proxy)
        deadline = time.monotonic() + settings.container_time
        send = partial(self._send, info, remote)
        point2 = self._catch_up(broker, info, send, deadline)
        self._send_share(broker, info.x_container_sync_point1, point2, share, send, deadline)
        self._pass.containers += 1

    def _share(self, info: ContainerInfo, location: Location) -> Share | None:
        """Return what is this replica's, None for a copy that lies where it should not."""
        ring = self._ring.current
        primaries = ring.primaries(location.partition)
        turn = next((turn for turn, each in enumerate(primaries) if each.device == location.device), None)
        if turn is None:
            return None
        salt = self._salt
        return Share(lambda name: salt.path_hash(info.account, info.container, name), turn, len(primaries))

    def _catch_up(
        self, broker: ContainerBroker, info: ContainerInfo, send: Callable[[Any], bool], deadline: float
    ) -> int:
        """Look at every row that has been dealt out; return up to where all of them are over there.

        That point never passes a row that failed, or a crash before the end would forget the row.
        """
        reached, limit = info.x_container_sync_point2, info.x_container_sync_point1
        position, all_sent = reached, True
        while position < limit and time.monotonic() < deadline:
            rows = [row for row in broker.items_since(position, ROWS_AT_ONCE) if row["ROWID"] <= limit]
            if not rows:
                position = limit
            for row, sent in zip(rows, self._all(send, rows), strict=True):
                all_sent = all_sent and sent
                position = row["ROWID"]
                reached = position if all_sent else reached
            if all_sent:
                reached = position
            broker.set_client_sync_points(limit, reached)
        return reached

    def _all(self, send: Callable[[Any], bool], rows: Sequence[Any]) -> list[bool]:
        return list(Crew(self.settings.sync_row_concurrency).map(send, rows))

    def _send_share(
        self,
        broker: ContainerBroker,
        point1: int,
        point2: int,
        share: Share,
        send: Callable[[Any], bool],
        deadline: float,
    ) -> None:
        """Send this replica's share of what is new; what fails is looked at again in the next pass."""
        while time.monotonic() < deadline:
            rows = broker.items_since(point1, ROWS_AT_ONCE)
            if not rows:
                return
            self._all(send, [row for row in rows if share.has(row["name"])])
            point1 = rows[-1]["ROWID"]
            broker.set_client_sync_points(point1, point2)

    def _send(self, info: ContainerInfo, remote: RemoteContainer, row: Any) -> bool:
        """Make the other cluster's object what the row says; tell whether it is."""
        name: str = row["name"]
        try:
            data, _, meta = decode_triple(row["created_at"])
            if row["deleted"]:
                remote.delete(name, data)
                self._pass.deletes += 1
            else:
                self._put(info, remote, name, meta)
        except ApusError as problem:
            self._pass.failures += 1
            log.warning(
                "object not synchronised; it is tried again",
                extra={
                    "account": info.account,
                    "container": info.container,
                    "object": name,
                    "problem": str(problem),
                },
            )
            return False
        return True

    def _put(self, info: ContainerInfo, remote: RemoteContainer, name: str, moment: Timestamp) -> None:
        theirs = remote.moment_of(name, moment)
        if theirs is not None and theirs >= moment:
            return
        original = self._source(info, name)
        try:
            if VERSION_LINK in original.headers:
                return
            _check(original, moment)
            remote.put(name, sent_headers(original.headers), original.body)
        finally:
            original.close()
        self._pass.puts += 1
        self._pass.bytes += int(original.headers.get("content-length", 0))


def _check(original: Original, moment: Timestamp) -> None:
    """Refuse to send what is older than the row says, or what nobody over there could read."""
    if original.status // 100 != 2:
        raise ApusError(f"this cluster answered {original.status} to GET")
    if Timestamp.parse(original.headers.get("x-timestamp", "0")) < moment:
        raise ApusError("this cluster answered with an older object")
    if ENCRYPTED in original.headers:
        raise Refused(
            "the object is encrypted: internal_client_conf_path must name a pipeline with its keymaster"
        )
