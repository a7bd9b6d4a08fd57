"""Who may write to a volume: one host at a time, by a lease that its commits must show.

    connector of a host ──▶ connect() ──▶ connection_info with map, lease, mode
    disconnect() ──▶ the lease is dead
    host: new map + lease + the map it lies over ──▶ commit() ──▶ the volume has the new map

A host keeps writes to itself until it commits, so two hosts that both wrote would each lose the other's; the
second one may only read, and only where the volume allows several attachments. Machines on the same host
share its lease.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, func, select

from ...api.faults import BadRequest, Conflict
from .. import rows
from ..disks import GIB, Place
from ..jobs import ordered
from ..office import Office
from ..tables import attachments, volumes
from ..views.viewer import Row

DRIVER = "apus-block"
HOLDING = ("reserved", "attaching", "attached", "detaching")


def host_of(connector: dict[str, Any]) -> str:
    """Return the host's name out of what it says of itself.

    Raises:
        BadRequest: it says none.
    """
    host = connector.get("host") or connector.get("initiator") or connector.get("ip")
    if not isinstance(host, str) or len(host) > 255:
        raise BadRequest("The connector must say its host.")
    return host


def connect(
    connection: Connection, office: Office, volume: Row, *, host: str, mode: str, attachment_id: str | None
) -> dict[str, Any]:
    """Give the host what it needs to attach the volume.

    Raises:
        Conflict: another host may write, and this one wants to.
    """
    if volume["map_id"] is None:
        raise Conflict("The volume has no data yet.")
    writable = mode == "rw" and not volume["read_only"]
    lease = None
    if writable or volume["lease_host"] == host:
        lease = _leased(connection, volume, host=host)
    return {
        "driver_volume_type": DRIVER,
        "data": {
            "volume_id": volume["id"],
            "volume_project_id": volume["project_id"],
            "project_id": volume["map_project"],
            "map_id": volume["map_id"],
            "size": volume["size"] * GIB,
            "block_size": office.disks.block_size,
            "access_mode": "rw" if writable else "ro",
            "lease": lease,
            "attachment_id": attachment_id,
            "discard": True,
            "encrypted": False,
            "qos_specs": None,
        },
    }


def _leased(connection: Connection, volume: Row, *, host: str) -> str:
    if volume["lease"] is not None:
        if volume["lease_host"] != host:
            raise Conflict(
                f"Host {volume['lease_host']} may write to the volume; {host} can attach it read-only, "
                "or after it."
            )
        return str(volume["lease"])
    lease = secrets.token_hex(24)
    rows.change(
        connection, volumes, volume["id"], lease=lease, lease_host=host, lease_map_id=volume["map_id"],
        committed_at=None, commit_wanted_at=None,
    )  # fmt: skip
    return lease


def disconnect(connection: Connection, volume_id: str, host: str | None) -> None:
    """End the host's lease, unless another of its machines has the volume attached."""
    volume = rows.one(connection, volumes, volume_id, lock=True)
    if volume is None or volume["lease"] is None or (host is not None and volume["lease_host"] != host):
        return
    others = select(func.count()).where(
        attachments.c.volume_id == volume_id,
        attachments.c.host == volume["lease_host"],
        attachments.c.status.in_(HOLDING),
    )
    if connection.execute(others).scalar_one() == 0:
        rows.change(connection, volumes, volume_id, lease=None, lease_host=None, lease_map_id=None)


def commit(
    connection: Connection,
    office: Office,
    volume: Row,
    *,
    lease: str,
    base_map_id: str,
    map_id: str,
    answers: float | None,
    request_id: str,
) -> None:
    """Give the volume the map that its host has made; the one before goes by a job.

    Raises:
        Conflict: the lease is not the living one, or the host's writes lie over another map.
    """
    if volume["lease"] is None or not secrets.compare_digest(str(volume["lease"]), lease):
        raise Conflict("The lease has ended: what was written under it is not taken any more.")
    now = office.clock()
    committed_at = now if answers is None else answers
    if map_id == volume["map_id"]:
        rows.change(connection, volumes, volume["id"], committed_at=committed_at)
        return
    if base_map_id != volume["map_id"]:
        raise Conflict(f"The volume's map is {volume['map_id']}, not {base_map_id}.")
    rows.change(
        connection, volumes, volume["id"], map_id=map_id, lease_map_id=map_id, committed_at=committed_at,
        updated_at=now,
    )  # fmt: skip
    ordered(
        connection, "drop map", resource_id=volume["id"], project_id=volume["map_project"], now=now,
        request_id=request_id, map_id=base_map_id,
    )  # fmt: skip


def check_map(office: Office, volume: Row, map_id: str) -> None:
    """Refuse a map that is not there, or of another size than the volume."""
    place = Place(volume["map_project"], map_id)
    if not office.disks.exists(place) or office.disks.size(place) != volume["size"] * GIB:
        raise BadRequest(f"There is no map {map_id} of the volume's size among those of its project.")
