"""POST /servers: what is asked is checked with the caller's own rights, recorded, and handed on.

Order ──▶ image, flavor, key, networks, groups seen? quota left? ──▶ rows in BUILD / scheduling ──▶ 202
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select
from webob import Response

from ....common.errors import Missing
from ...api.call import Call
from ...api.faults import BadRequest, Conflict, Fault, Forbidden
from ...api.reply import answer
from ...api.routing import served
from .. import fleet, tables
from ..domain import device_name
from ..images import Image
from ..mapping import PROPERTY, disks_in
from ..ordering import DISK_CONFIG, AskedDisk, Order, order_of
from ..quotas import OverQuota, check, limits_of
from ..records import Flavor
from ..states import Task, VmState
from ..views.links import links
from ..world import World, record_action
from .rim import api_url, minor

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found for an order."""

    flavor: Flavor
    image: Image | None
    public_key: str | None
    networks: Sequence[Mapping[str, Any]]
    group_id: str | None


class CreationController:
    """Serves POST /servers."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("POST", "/v2.1/servers", "/v2.1/os-volumes_boot")
    def create(self, call: Call) -> Response:
        """Make servers."""
        with self._world.catalogue.read() as connection:
            limits = limits_of(fleet.own_limits(connection, call.project_id))
        order = order_of(call.json("server"), minor(call), metadata_most=limits["metadata_items"])
        _check_files(order, limits)
        if order.host and not call.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
        checked = self._checked(call, order)
        order = with_disks_of(order, checked.image)
        password = order.admin_password or secrets.token_urlsafe(9)
        reservation = f"r-{secrets.token_hex(4)}"
        disks = [[self._disk(call, asked) for asked in order.disks] for _ in range(order.most)]

        def write(connection: Connection) -> list[str]:
            return self._write(
                connection, call, order, checked, disks, password=password, reservation=reservation
            )

        made = self._world.catalogue.transaction(write)
        for server_id in made:
            self._world.wake(server_id)
        if order.wants_reservation:
            return answer(202, {"reservation_id": reservation})
        url = api_url(call)
        document = {
            "id": made[0],
            "links": links(url, f"servers/{made[0]}"),
            DISK_CONFIG: order.disk_config,
            "adminPass": password,
            "security_groups": [{"name": name} for name in order.security_groups or ("default",)],
        }
        return answer(202, {"server": document}, {"Location": f"{url}/servers/{made[0]}"})

    def _checked(self, call: Call, order: Order) -> Checked:
        """Look with the caller's rights at everything that is named."""
        with self._world.catalogue.read() as connection:
            try:
                flavor = fleet.flavor_of(
                    connection, order.flavor_id, None if call.is_admin else call.project_id
                )
            except Missing as problem:
                raise BadRequest(f"Flavor {order.flavor_id} could not be found.") from problem
            key = public_key(connection, call, order.key_name)
            group = self._group(connection, call, order.hints.get("group"))
            self._check_zone(connection, order.zone)
        image = self._image(call, order, flavor)
        return Checked(
            flavor=flavor,
            image=image,
            public_key=key,
            networks=self._networks(call, order),
            group_id=group,
        )

    def _group(self, connection: Connection, call: Call, group_id: Any) -> str | None:
        if not group_id:
            return None
        table = tables.server_groups
        row = connection.execute(
            select(table).where(table.c.id == str(group_id), table.c.project_id == call.project_id)
        ).first()
        if row is None:
            raise BadRequest(f"Instance group {group_id} could not be found.")
        limits = limits_of(fleet.own_limits(connection, call.project_id))
        members = connection.execute(
            select(func.count())
            .select_from(tables.servers)
            .where(tables.servers.c.group_id == row.id, tables.servers.c.terminated_at.is_(None))
        ).scalar_one()
        check(limits, {"server_group_members": members}, {"server_group_members": 1})
        return str(row.id)

    def _check_zone(self, connection: Connection, zone: str | None) -> None:
        known = {fleet.DEFAULT_ZONE, *fleet.zone_of_hosts(connection).values()}
        if zone is not None and zone not in known:
            raise BadRequest("The requested availability zone is not available")

    def _image(self, call: Call, order: Order, flavor: Flavor) -> Image | None:
        """Return the image that the server starts from, itself or through a volume made of it."""
        wanted = order.image_id or next(
            (str(disk.source_id) for disk in order.disks if disk.boot_index == 0 and disk.source == "image"),
            "",
        )
        if not wanted:
            return None
        try:
            image = self._world.images.show(wanted, call.token)
        except Fault as problem:
            if problem.status in (403, 404):
                raise BadRequest(f"Can not find requested image {wanted}.") from problem
            raise
        if image.status != "active":
            raise BadRequest(f"Image {wanted} is not active.")
        if image.min_ram_mib > flavor.ram:
            raise BadRequest("Flavor's memory is too small for requested image.")
        if (
            order.image_id
            and flavor.disk
            and (image.min_disk_gib > flavor.disk or image.size > flavor.disk * GIB)
        ):
            raise BadRequest("Flavor's disk is too small for requested image.")
        return image

    def _networks(self, call: Call, order: Order) -> Sequence[Mapping[str, Any]]:
        """Return what each port shall be; every network and port must be one that the caller may use."""
        networks = self._world.networks
        asked = order.networks
        if asked == "none":
            return []
        groups = (
            networks.security_groups(order.security_groups, call.project_id, call.token)
            if order.security_groups
            else []
        )
        if isinstance(asked, str):
            found = networks.networks(call.token, call.project_id)
            if len(found) > 1:
                raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
            if not found and asked == "auto":
                raise BadRequest("Unable to automatically allocate a network for project: it has none.")
            return [{"network": net["id"], "security_groups": groups} for net in found]
        try:
            for entry in asked:
                self._check_network(call, entry)
        except Fault as problem:
            if problem.status in (403, 404):
                raise BadRequest(problem.message or "A network or port could not be found.") from problem
            raise
        return [{**entry, "security_groups": groups} for entry in asked]

    def _check_network(self, call: Call, entry: Mapping[str, Any]) -> None:
        if not entry["port"]:
            self._world.networks.network(entry["network"], call.token)
            return
        port = self._world.networks.port(entry["port"], call.token)
        if port.device_id:
            raise Conflict(f"Port {port.id} is still in use.")

    def _disk(self, call: Call, asked: AskedDisk) -> dict[str, Any]:
        """Return a disk's row; a volume that has to be made for it is made now, with the caller's token."""
        volumes, project = self._world.volumes, call.project_id
        volume_id = None
        try:
            if asked.source == "volume":
                volume = volumes.show(project, str(asked.source_id), call.token)
                if volume["status"] != "available" and not volume.get("multiattach"):
                    raise BadRequest(
                        f"Volume {asked.source_id} is in status {volume['status']}, not available."
                    )
                if asked.boot_index == 0 and volume.get("bootable") == "false":
                    raise BadRequest(f"Block Device {asked.source_id} is not bootable.")
                volume_id = str(asked.source_id)
            elif asked.to_volume:
                kinds = {"image": "imageRef", "snapshot": "snapshot_id"}
                source = {kinds[asked.source]: asked.source_id} if asked.source in kinds else {}
                size = asked.size_gib
                if size is None:
                    size = volumes.snapshot(project, str(asked.source_id), call.token)["size"]
                volume_id = volumes.make(
                    project, call.token, size=size, volume_type=asked.volume_type, name="", **source
                )
        except Fault as problem:
            if problem.status == 404:
                raise BadRequest(f"Block Device Mapping is Invalid: {problem.message}") from problem
            raise
        return {
            "source": asked.source,
            "source_id": asked.source_id,
            "volume_id": volume_id,
            "boot_index": asked.boot_index,
            "size_gib": asked.size_gib,
            "volume_type": asked.volume_type,
            "tag": asked.tag,
            "delete_on_termination": asked.delete_on_termination,
        }

    def _write(
        self,
        connection: Connection,
        call: Call,
        order: Order,
        checked: Checked,
        disks: Sequence[Sequence[Mapping[str, Any]]],
        *,
        password: str,
        reservation: str,
    ) -> list[str]:
        """Write the rows; as many servers as the quota allows, but not fewer than were asked for at least."""
        project, flavor, now = call.project_id, checked.flavor, self._world.clock()
        limits = limits_of(
            fleet.own_limits(connection, project), fleet.own_limits(connection, "class:default")
        )
        used = fleet.used_by(connection, project)
        count = order.most
        while True:
            asked = {"instances": count, "cores": count * flavor.vcpus, "ram": count * flavor.ram}
            try:
                check(limits, used, asked)
                break
            except OverQuota:
                if count <= order.least:
                    raise
                count -= 1
        made = []
        for index in range(count):
            server_id = str(uuid.uuid4())
            name = order.name if order.most == 1 else f"{order.name}-{index + 1}"
            values = _values(call, order, checked, now)
            connection.execute(
                insert(tables.servers).values(
                    **values,
                    id=server_id,
                    name=name,
                    hostname=order.hostname if order.most == 1 else f"{order.hostname}-{index + 1}",
                    launch_index=index,
                    reservation_id=reservation,
                    admin_password=password,
                )
            )
            self._write_disks(connection, server_id, disks[index], now, has_root=bool(order.image_id))
            record_action(
                connection,
                server_id=server_id,
                action="create",
                request_id=call.request_id,
                user_id=call.identity.user_id,
                project_id=project,
                now=now,
            )
            made.append(server_id)
        return made

    def _write_disks(
        self,
        connection: Connection,
        server_id: str,
        disks: Sequence[Mapping[str, Any]],
        now: float,
        *,
        has_root: bool,
    ) -> None:
        """Write the disks but the one that is the image itself, which is the server's root."""
        extra = [
            disk
            for disk in disks
            if not (has_root and disk["source"] == "image" and disk["volume_id"] is None)
        ]
        extra = sorted(extra, key=lambda disk: disk["boot_index"] != 0)
        for position, disk in enumerate(extra):
            connection.execute(
                insert(tables.block_devices).values(
                    id=str(uuid.uuid4()),
                    server_id=server_id,
                    position=position,
                    device=device_name(position + int(has_root)),
                    state="wanted",
                    created_at=now,
                    **disk,
                )
            )


def with_disks_of(order: Order, image: Image | None) -> Order:
    """Return the order with the volumes that its image stands for, where it has no data of its own.

    What the order itself says of the disk to start from goes before what the image says.
    """
    found = disks_in(image.properties) if image is not None and order.image_id else ()
    if not found:
        return order
    boots = any(disk.boot_index == 0 for disk in order.disks if disk.to_volume)
    more = tuple(disk for disk in found if not (boots and disk.boot_index == 0))
    own = tuple(disk for disk in order.disks if disk.to_volume or disk.boot_index != 0)
    return replace(order, image_id="", disks=(*more, *own))


def public_key(connection: Connection, call: Call, name: str | None) -> str | None:
    """Return the caller's key of that name, None for no name; raise BadRequest for one that is not there."""
    if name is None:
        return None
    table = tables.keypairs
    row = connection.execute(
        select(table).where(table.c.user_id == call.identity.user_id, table.c.name == name)
    ).first()
    if row is None:
        raise BadRequest("Invalid key_name provided.")
    return str(row.public_key)


def _check_files(order: Order, limits: Mapping[str, int]) -> None:
    """Refuse more files, or longer ones, than a server may be given."""
    if 0 <= limits["injected_files"] < len(order.files):
        raise Forbidden("Quota exceeded, too many files.")
    longest = limits["injected_file_content_bytes"]
    if longest >= 0 and any(len(base64.b64decode(content)) > longest for _, content in order.files):
        raise Forbidden("Quota exceeded, the content of a file is too long.")


def _values(call: Call, order: Order, checked: Checked, now: float) -> dict[str, Any]:
    """Return what all servers of an order have in common."""
    return {
        "project_id": call.project_id,
        "user_id": call.identity.user_id,
        "description": order.description,
        "vm_state": VmState.BUILDING,
        "task_state": Task.SCHEDULING,
        "task": {"host": order.host} if order.host else {},
        "power_state": 0,
        "pinned_zone": order.zone,
        "image_id": order.image_id,
        "image_properties": {
            name: value for name, value in checked.image.properties.items() if name != PROPERTY
        }
        if checked.image
        else {},
        "flavor": checked.flavor.picture(),
        "key_name": order.key_name,
        "public_key": checked.public_key,
        "user_data": order.user_data,
        "files": [list(file) for file in order.files],
        "config_drive": order.config_drive,
        "disk_config": order.disk_config,
        "metadata": dict(order.metadata),
        "tags": list(order.tags),
        "access_ipv4": order.access_ipv4,
        "access_ipv6": order.access_ipv6,
        "security_groups": list(order.security_groups or ("default",)),
        "requested_networks": [dict(entry) for entry in checked.networks],
        "hints": dict(order.hints),
        "group_id": checked.group_id,
        "created_at": now,
        "updated_at": now,
    }
