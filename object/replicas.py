"""Talking to all replicas of an account, a container or an object, as the expirer must.

    names ──ring──▶ primaries ──▶ rows of any replica, merged;  statuses of all replicas ──▶ verdict()

It asks storage servers over their replication network, without a proxy.
"""

from __future__ import annotations

import enum
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from ..common.cluster import ClusterConf
from ..common.cluster_secret import credentials
from ..common.concurrency import spawn
from ..common.errors import Unavailable
from ..common.http.client import Pool, PoolConfig
from ..common.policies import Policy
from ..common.timestamp import Timestamp
from ..ring.device import Device
from ..ring.watch import WatchedRing

log = logging.getLogger(__name__)

PAGE = 10_000


class Verdict(enum.Enum):
    """What the replicas' answers to a DELETE mean together."""

    DONE = "a majority has deleted it, or holds something newer"
    NOT_THERE = "a majority has no such object, or one that shall not go now"
    UNSURE = "no majority said either"


def verdict(statuses: Sequence[int]) -> Verdict:
    """Judge the statuses of all replicas; 0 stands for one that did not answer."""
    needed = len(statuses) // 2 + 1
    if sum(status // 100 == 2 or status == 409 for status in statuses) >= needed:
        return Verdict.DONE
    # A replica that deleted it outweighs one that never had it: together they leave nothing to do.
    if sum(status in (404, 412) for status in statuses) >= needed:
        return Verdict.NOT_THERE
    return Verdict.UNSURE


class Replicas:
    """The storage servers of the cluster, by the names of what they hold."""

    def __init__(
        self,
        swift_dir: str,
        cluster: ClusterConf,
        *,
        connect_timeout_seconds: float,
        response_timeout_seconds: float,
    ) -> None:
        self._swift_dir = swift_dir
        self._cluster = cluster
        self._accounts = WatchedRing(os.path.join(swift_dir, "account.ring.gz"))
        self._containers = WatchedRing(os.path.join(swift_dir, "container.ring.gz"))
        self._objects: dict[int, WatchedRing] = {}
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=connect_timeout_seconds,
                response_timeout_seconds=response_timeout_seconds,
            ),
            default_headers=credentials(cluster.secret),
        )

    def containers(self, account: str) -> list[str]:
        """Return the names of an account's containers that any replica knows, in order."""
        partition, devices = self._place(self._accounts, account)
        return sorted({row["name"] for device in devices for row in self._pages(device, partition, account)})

    def rows(self, account: str, container: str) -> Iterator[tuple[str, str]]:
        """Yield (name, content type) of a container's rows that any replica knows, in order."""
        partition, devices = self._place(self._containers, account, container)
        path = f"{account}/{container}"
        found = {
            row["name"]: row.get("content_type", "")
            for device in devices
            for row in self._pages(device, partition, path)
            if "name" in row
        }
        yield from sorted(found.items())

    def _pages(self, device: Device, partition: int, path: str) -> Iterator[dict[str, Any]]:
        marker = ""
        while True:
            query = f"format=json&limit={PAGE}&marker={quote(marker, safe='', errors='surrogateescape')}"
            try:
                response = self._pool.request(
                    device.replication_address, "GET", f"{_path(device, partition, path)}?{query}", {}
                )
                body = response.read()
            except Unavailable as problem:
                log.warning("replica not asked", extra={"device": device.device, "problem": str(problem)})
                return
            page = orjson.loads(body) if response.status == 200 else []
            yield from page
            if len(page) < PAGE:
                return
            marker = page[-1]["name"]

    def delete_object(self, account: str, container: str, obj: str, headers: Mapping[str, str]) -> list[int]:
        """Delete an object at all its replicas, each telling a replica of the container; return statuses."""
        container_partition, container_devices = self._place(self._containers, account, container)
        policy = self._policy(container_partition, container_devices, f"{account}/{container}")
        ring = self._objects.get(policy.index)
        if ring is None:
            path = os.path.join(self._swift_dir, f"{policy.ring_name}.ring.gz")
            ring = self._objects[policy.index] = WatchedRing(path)
        partition, devices = self._place(ring, account, container, obj)
        tasks = []
        for index, device in enumerate(devices):
            told = container_devices[index :: len(devices)] or container_devices[:1]
            more = {
                "X-Backend-Storage-Policy-Index": str(policy.index),
                "X-Container-Partition": str(container_partition),
                "X-Container-Host": ",".join(f"{to.ip}:{to.port}" for to in told),
                "X-Container-Device": ",".join(to.device for to in told),
            }
            path = _path(device, partition, f"{account}/{container}/{obj}")
            tasks.append(spawn(self._status, device, "DELETE", path, {**headers, **more}))
        return [task.wait() for task in tasks]

    def delete_row(self, account: str, container: str, obj: str, moment: Timestamp) -> None:
        """Remove a row at all replicas of its container; a replica that misses it shows the row again."""
        headers = {"X-Timestamp": moment.internal, "X-Backend-Storage-Policy-Index": "0"}
        self._tell(account, container, f"{account}/{container}/{obj}", headers)

    def delete_container(self, account: str, container: str, moment: Timestamp) -> None:
        """Delete a container that is empty; the replicas themselves refuse if it is not."""
        self._tell(account, container, f"{account}/{container}", {"X-Timestamp": moment.internal})

    def _tell(self, account: str, container: str, path: str, headers: Mapping[str, str]) -> None:
        partition, devices = self._place(self._containers, account, container)
        for device in devices:
            self._status(device, "DELETE", _path(device, partition, path), headers)

    def _policy(self, partition: int, devices: Sequence[Device], path: str) -> Policy:
        """Return the policy of a container; raise Unavailable when no replica knows it."""
        for device in devices:
            try:
                response = self._pool.request(
                    device.replication_address, "HEAD", _path(device, partition, path), {}
                )
                response.read()
            except Unavailable:
                continue
            text = response.headers.get("X-Backend-Storage-Policy-Index") or ""
            policy = self._cluster.policies.by_index(int(text)) if text.isdigit() else None
            if policy is not None:
                return policy
        raise Unavailable(f"no replica of the container {path} tells its storage policy")

    def _status(self, device: Device, verb: str, path: str, headers: Mapping[str, str]) -> int:
        try:
            response = self._pool.request(device.replication_address, verb, path, headers)
            response.read()
        except Unavailable as problem:
            log.info("replica did not answer", extra={"device": device.device, "problem": str(problem)})
            return 0
        return response.status

    def _place(self, ring: WatchedRing, *names: str) -> tuple[int, list[Device]]:
        current = ring.current
        partition = current.partition(self._cluster.salt.path_hash(*names))
        return partition, current.primaries(partition)


def _path(device: Device, partition: int, path: str) -> str:
    return quote(f"/{device.device}/{partition}/{path}", errors="surrogateescape")
