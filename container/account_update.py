"""Telling the account at once that a container was made or removed.

    X-Account-Host/-Device/-Partition of the proxy's request ──▶ one PUT to each account server named

What cannot be delivered is the container updater's to repeat; only when every account server says 404 does
the client hear of it: then there is no such account.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import quote

from ..common import concurrency
from ..common.errors import Refused, Unavailable
from ..common.http.client import Pool
from ..common.http.request import Request
from .broker import ContainerInfo

log = logging.getLogger(__name__)

FAILED = 503


@dataclass(frozen=True, slots=True)
class AccountServer:
    """Where one replica of the account is."""

    address: tuple[str, int]
    device: str
    partition: str


def named_in(request: Request) -> list[AccountServer]:
    """Return the account servers that the proxy wants told.

    Raises:
        Refused: when hosts and devices do not pair up.
    """
    partition = request.header("X-Account-Partition", "")
    hosts = _list(request.header("X-Account-Host"))
    devices = _list(request.header("X-Account-Device"))
    if len(hosts) != len(devices):
        raise Refused("X-Account-Host and X-Account-Device differ in number")
    if not partition:
        return []
    return [
        AccountServer(_address(host), device, partition) for host, device in zip(hosts, devices, strict=True)
    ]


def report_headers(info: ContainerInfo, *, override_deleted: bool) -> dict[str, str]:
    """Return what an account server is told of a container."""
    headers = {
        "X-Put-Timestamp": info.put_timestamp,
        "X-Delete-Timestamp": info.delete_timestamp,
        "X-Object-Count": str(info.object_count),
        "X-Bytes-Used": str(info.bytes_used),
        "X-Backend-Storage-Policy-Index": str(info.storage_policy_index),
    }
    if override_deleted:
        headers["X-Account-Override-Deleted"] = "yes"
    return headers


def report(pool: Pool, server: AccountServer, info: ContainerInfo, headers: dict[str, str]) -> int:
    """Tell one account server; return its status, or 503 when it could not be told."""
    path = quote(f"/{server.device}/{server.partition}/{info.account}/{info.container}")
    try:
        response = pool.request(server.address, "PUT", path, headers)
        response.drain(1 << 16)
        status: int = response.status
        response.close()
    except Unavailable as problem:
        log.warning(
            "account not told; the updater will", extra={"address": server.address, "problem": str(problem)}
        )
        return FAILED
    if status // 100 != 2 and status != 404:
        log.warning("account not told; the updater will", extra={"address": server.address, "status": status})
    return status


def tell(pool: Pool, servers: list[AccountServer], info: ContainerInfo, headers: dict[str, str]) -> bool:
    """Tell all of them side by side; return False when all say that there is no such account."""
    tasks = [concurrency.spawn(report, pool, server, info, headers) for server in servers]
    statuses = [task.wait() for task in tasks]
    return not statuses or any(status != 404 for status in statuses)


def _list(value: str | None) -> list[str]:
    return [item.strip() for item in value.split(",")] if value else []


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    if not name or not port.isdigit():
        raise Refused(f"not an address: {host!r}")
    return name.strip("[]"), int(port)
