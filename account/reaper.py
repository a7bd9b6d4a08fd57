"""Removes what a deleted account still holds.

    accounts marked deleted ──▶ each container of our share ──▶ each object: DELETE ──▶ DELETE the container
                                   └── names mod replicas: the replicas of an account share the work

Requests go straight to the storage servers, with the headers that make them update the listings above. An
account whose containers are all gone is removed by its replicator when its deletion is old enough.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.cluster_secret import credentials
from ..common.concurrency import Crew
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.database.layout import Location, databases, usable_devices
from ..common.database.listing import Query
from ..common.errors import ApusError, Missing, Unavailable
from ..common.http.client import Pool, PoolConfig
from ..common.own_addresses import canonical, own_addresses
from ..common.timestamp import Timestamp, now
from ..ring.device import Device
from ..ring.watch import WatchedRing
from .broker import AccountBroker
from .server import DATADIR

log = logging.getLogger(__name__)

PAGE = 1000
_LISTING_MAX = 64 << 20
IsMine = Callable[[Device], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperSettings:
    """Settings of the account reaper."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    bind_ip: str = setting("0.0.0.0", help="Address of this node's server, to find its devices in the ring.")
    bind_port: int = setting(0, help="Port of this node's account server; 0 for any of this address.")
    interval: float = setting(3600.0, help="Seconds from the start of one pass to the next.", minimum=0)
    concurrency: int = setting(25, help="Objects deleted at the same time.", minimum=1)
    node_timeout: float = setting(10.0, help="Seconds to wait for a server's answer.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection.", minimum=0)
    delay_reaping: float = setting(
        0.0, help="Seconds to wait after an account's deletion; until then it can be undone.", minimum=0
    )
    reap_warn_after: float = setting(
        2592000.0, help="Warn of accounts that take longer than this.", minimum=0
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name lives: its partition and the devices of its replicas."""

    partition: int
    devices: Sequence[Device]


class AccountReaper(Daemon):
    """Reaps the accounts of which this node has a primary replica."""

    def __init__(
        self, options: Mapping[str, str], cluster: ClusterConf | None = None, is_mine: IsMine | None = None
    ) -> None:
        settings = self.settings = parse(ReaperSettings, options)
        self.interval_seconds = settings.interval
        self._cluster = cluster or ClusterConf.load(settings.swift_dir)
        self._is_mine = is_mine or _mine(settings.bind_ip, settings.bind_port)
        self._rings: dict[str, WatchedRing] = {}
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
            ),
            default_headers=credentials(self._cluster.secret),
        )
        self.done: Counter[str] = Counter()

    def run_once(self) -> None:
        """Reap every deleted account here once."""
        begun = time.monotonic()
        self.done.clear()
        settings = self.settings
        for device in usable_devices(settings.devices, mount_check=settings.mount_check):
            for location in databases(settings.devices, device, DATADIR):
                self._look(location)
        log.info("accounts reaped", extra={**self.done, "seconds": round(time.monotonic() - begun, 3)})

    def _look(self, location: Location) -> None:
        """Reap one account if it is deleted and a primary replica of it is here."""
        primaries = self._ring("account").current.primaries(location.partition)
        share = next(
            (
                index
                for index, device in enumerate(primaries)
                if device.device == location.device and self._is_mine(device)
            ),
            None,
        )
        if share is None:
            return
        broker = AccountBroker(location.path)
        try:
            info = broker.info()
            deleted_at = float(Timestamp.parse(info.delete_timestamp))
            if not info.marked_deleted or not info.container_count:
                return
            if time.time() - deleted_at > self.settings.delay_reaping:
                self._reap(broker, info.account, Place(location.partition, primaries), share)
                self._warn_of(info.account, deleted_at, broker)
        except Missing:
            return
        except ApusError as problem:
            log.error("account not reaped", extra={"path": location.path, "problem": str(problem)})
        finally:
            broker.close()

    def _warn_of(self, account: str, deleted_at: float, broker: AccountBroker) -> None:
        age = time.time() - deleted_at
        if (
            age > self.settings.reap_warn_after + self.settings.delay_reaping
            and broker.info().container_count
        ):
            log.warning("account not reaped since long", extra={"account": account, "seconds": round(age)})

    def _reap(self, broker: AccountBroker, account: str, place: Place, share: int) -> None:
        crew = Crew(max(1, math.isqrt(self.settings.concurrency)))
        for container in self._containers(broker):
            digest = hashlib.md5(container.encode(), usedforsecurity=False).hexdigest()
            if int(digest, 16) % len(place.devices) == share:
                crew.spawn(self._reap_container, account, place, container)
        crew.wait_all()

    @staticmethod
    def _containers(broker: AccountBroker) -> Iterator[str]:
        marker = ""
        while rows := broker.listing(Query(limit=PAGE, marker=marker, reserved=True)):
            for row in rows:
                assert isinstance(row, tuple)
                marker = row[0]
                yield marker

    def _reap_container(self, account: str, account_place: Place, container: str) -> None:
        place = self._place("container", account, container)
        crew = Crew(max(1, math.isqrt(self.settings.concurrency)))
        try:
            for policy_index, name in self._objects(place, account, container):
                crew.spawn(self._reap_object, account, container, place, name, policy_index)
        except Unavailable as problem:
            log.warning("container cannot be listed", extra={"container": container, "problem": str(problem)})
        crew.wait_all()
        timestamp = now().internal
        path = f"/{account}/{container}"
        statuses = []
        for device, above in zip(place.devices, itertools.cycle(account_place.devices), strict=False):
            headers = {
                "X-Account-Host": _host(above),
                "X-Account-Partition": str(account_place.partition),
                "X-Account-Device": above.device,
                "X-Account-Override-Deleted": "yes",
                "X-Timestamp": timestamp,
            }
            statuses.append(self._delete(device, place.partition, path, headers))
        self._count("containers", statuses)

    def _objects(self, place: Place, account: str, container: str) -> Iterator[tuple[int, str]]:
        """Yield policy and name of every object, page by page; a page that is deleted is not asked again."""
        marker = ""
        while True:
            policy_index, names = self._page(place, account, container, marker)
            if not names:
                return
            for name in names:
                yield policy_index, name
            marker = names[-1]

    def _page(self, place: Place, account: str, container: str, marker: str) -> tuple[int, list[str]]:
        """Return one page of a container's listing from the first replica that has it."""
        failure = None
        for device in place.devices:
            path = quote(f"/{device.device}/{place.partition}/{account}/{container}")
            query = f"?format=json&limit={PAGE}&marker={quote(marker, safe='')}"
            headers = {"X-Backend-Allow-Reserved-Names": "true"}
            try:
                response = self._pool.request(device.replication_address, "GET", path + query, headers)
                body = response.read(_LISTING_MAX)
                response.close()
            except Unavailable as problem:
                failure = problem
                continue
            if response.status == 200:
                policy = response.headers.get("X-Backend-Storage-Policy-Index") or "0"
                return int(policy), [item["name"] for item in json.loads(body)]
        if failure is not None:
            raise failure
        return 0, []

    def _reap_object(
        self, account: str, container: str, container_place: Place, name: str, policy_index: int
    ) -> None:
        policy = self._cluster.policies.by_index(policy_index)
        if policy is None:
            log.error("object of an unknown policy", extra={"container": container, "policy": policy_index})
            self.done["objects_remaining"] += 1
            return
        place = self._place(policy.ring_name, account, container, name)
        timestamp = now().internal
        statuses = []
        for device, above in zip(place.devices, itertools.cycle(container_place.devices), strict=False):
            headers = {
                "X-Container-Host": _host(above),
                "X-Container-Partition": str(container_place.partition),
                "X-Container-Device": above.device,
                "X-Backend-Storage-Policy-Index": str(policy_index),
                "X-Timestamp": timestamp,
            }
            path = f"/{account}/{container}/{name}"
            statuses.append(self._delete(device, place.partition, path, headers))
        self._count("objects", statuses)

    def _delete(self, device: Device, partition: int, path: str, headers: Mapping[str, str]) -> int:
        wire_path = quote(f"/{device.device}/{partition}{path}")
        try:
            response = self._pool.request(device.replication_address, "DELETE", wire_path, headers)
            response.drain(1 << 16)
            response.close()
        except Unavailable as problem:
            log.warning("server not reached", extra={"device": device.device, "problem": str(problem)})
            return 503
        status: int = response.status
        return status

    def _count(self, what: str, statuses: Sequence[int]) -> None:
        """Count an item as deleted by a majority, by none, or possibly."""
        good = sum(status // 100 == 2 or status == 404 for status in statuses)
        if good > len(statuses) - good:
            self.done[f"{what}_deleted"] += 1
        elif good:
            self.done[f"{what}_possibly_remaining"] += 1
        else:
            self.done[f"{what}_remaining"] += 1

    def _place(self, ring_name: str, *names: str) -> Place:
        ring = self._ring(ring_name).current
        partition = ring.partition(self._cluster.salt.path_hash(*names))
        return Place(partition, ring.primaries(partition))

    def _ring(self, name: str) -> WatchedRing:
        ring = self._rings.get(name)
        if ring is None:
            ring = self._rings[name] = WatchedRing(os.path.join(self.settings.swift_dir, f"{name}.ring.gz"))
        return ring


def _host(device: Device) -> str:
    ip = f"[{device.ip}]" if ":" in device.ip else device.ip
    return f"{ip}:{device.port}"


def _mine(bind_ip: str, port: int) -> IsMine:
    addresses = own_addresses(bind_ip)

    def is_mine(device: Device) -> bool:
        return canonical(device.ip) in addresses and port in (0, device.port)

    return is_mine
