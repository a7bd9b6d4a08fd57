"""A server as clients see it, in the form of each microversion.

    Server, disks, ports, who asks, Version ──▶ document() ──▶ what stands under "server"

2.1 is what clients without a microversion get; each later form adds or changes what the table in
`doc/compute.md`
says. Values only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...api.times import plain, zulu
from ...api.versions import Version
from ..records import BlockDevice, Interface, Server
from .links import bookmark, links

_IN_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING", "PASSWORD", "REBOOT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A server and what stands beside it."""

    server: Server
    devices: Sequence[BlockDevice] = ()
    interfaces: Sequence[Interface] = ()
    floating: Mapping[str, list[str]] = field(default_factory=dict)  # address of a port → floating addresses
    host_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """For whom it is written."""

    version: Version
    is_admin: bool
    base_url: str  # …/v2.1


def document(shown: Shown, form: Form, *, alone: bool = False) -> dict[str, Any]:
    """Return the whole document; `alone` where one server was asked for by its id."""
    server, minor = shown.server, form.version.minor
    written: dict[str, Any] = {
        **reference(server, form.base_url),
        **_facts(server, form.base_url),
        "flavor": flavor(server, form),
        "addresses": addresses(shown),
        "key_name": server.key_name,
        "config_drive": "True" if server.config_drive else "",
        "OS-DCF:diskConfig": server.disk_config or "MANUAL",
        "OS-EXT-AZ:availability_zone": server.zone or "",
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "OS-SRV-USG:launched_at": plain(server.launched_at),
        "OS-SRV-USG:terminated_at": plain(server.terminated_at),
        "os-extended-volumes:volumes_attached": _volumes(shown.devices, minor),
    }
    if server.security_groups and (server.vm_state != "building" or minor >= 75):
        written["security_groups"] = [{"name": name} for name in server.security_groups]
    written |= _later(server, minor, alone=alone)
    if form.is_admin:
        written |= _for_administrators(shown, minor)
    if minor >= 90:
        written["OS-EXT-SRV-ATTR:hostname"] = server.hostname
    return written


def changed(shown: Shown, form: Form) -> dict[str, Any]:
    """Return what an update or a rebuild answers: the whole document since 2.75, less before."""
    if form.version.minor >= 75:
        return document(shown, form, alone=True)
    server, minor = shown.server, form.version.minor
    written: dict[str, Any] = {
        **reference(server, form.base_url),
        **_facts(server, form.base_url),
        "flavor": flavor(server, form),
        "addresses": {
            name: [{"addr": entry["addr"], "version": entry["version"]} for entry in entries]
            for name, entries in addresses(shown).items()
        },
        "OS-DCF:diskConfig": server.disk_config or "MANUAL",
    }
    return written | {
        name: value for name, value in _later(server, minor, alone=False).items() if name != "server_groups"
    }


def reference(server: Server, base_url: str) -> dict[str, Any]:
    """Return what the short list says: id, name, links."""
    return {
        "id": server.id,
        "name": server.name,
        "links": links(base_url, f"servers/{server.id}"),
    }


def _facts(server: Server, base_url: str) -> dict[str, Any]:
    written: dict[str, Any] = {
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": dict(server.metadata),
        "hostId": host_id(server.project_id, server.host),
        "created": zulu(server.created_at),
        "updated": zulu(server.updated_at),
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "image": "",
    }
    if server.image_id:
        place = f"images/{server.image_id}"
        written["image"] = {"id": server.image_id, "links": [bookmark(base_url, place)]}
    if server.status in _IN_PROGRESS:
        written["progress"] = 100 if server.status == "ACTIVE" else 0
    if server.fault is not None and server.status in ("ERROR", "DELETED"):
        fault = server.fault
        written["fault"] = {
            "code": fault["code"], "created": zulu(fault["created"]), "message": fault["message"],
        }  # fmt: skip
    return written


def _later(server: Server, minor: int, *, alone: bool) -> dict[str, Any]:
    """Return what came after 2.1 and everyone may see."""
    written: dict[str, Any] = {}
    if minor >= 9:
        written["locked"] = bool(server.locked_by)
    if minor >= 19:
        written["description"] = server.description
    if minor >= 26:
        written["tags"] = list(server.tags)
    if minor >= 63:
        written["trusted_image_certificates"] = None
    if minor >= 71 and alone:
        written["server_groups"] = [server.group_id] if server.group_id else []
    if minor >= 73:
        written["locked_reason"] = server.locked_reason
    if minor >= 96:
        written["pinned_availability_zone"] = server.pinned_zone
    return written


def _for_administrators(shown: Shown, minor: int) -> dict[str, Any]:
    server = shown.server
    written: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
        "OS-EXT-SRV-ATTR:instance_name": server.instance_name,
    }
    if minor >= 3:
        written |= {
            "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
            "OS-EXT-SRV-ATTR:launch_index": server.launch_index,
            "OS-EXT-SRV-ATTR:hostname": server.hostname,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:user_data": server.user_data,
        }
    if minor >= 16:
        written["host_status"] = shown.host_status
    return written


def host_id(project_id: str, host: str | None) -> str:
    """Return a name by which a project can tell that two of its servers share a host, and nothing else."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""


def flavor(server: Server, form: Form) -> dict[str, Any]:
    """Return the flavor: a reference up to 2.46, since then as it was when the server was made."""
    picture = server.flavor
    if form.version.minor < 47:
        place = f"flavors/{picture['id']}"
        return {"id": picture["id"], "links": [bookmark(form.base_url, place)]}
    return {
        "vcpus": picture["vcpus"],
        "ram": picture["ram"],
        "disk": picture["disk"],
        "ephemeral": picture["ephemeral"],
        "swap": picture["swap"],
        "original_name": picture["name"],
        "extra_specs": dict(picture["extra_specs"]),
    }


def addresses(shown: Shown) -> dict[str, list[dict[str, Any]]]:
    """Return the addresses by the network's name, floating ones beside those that they lead to."""
    by_network: dict[str, list[dict[str, Any]]] = {}
    for interface in shown.interfaces:
        entries = by_network.setdefault(interface.network_name, [])
        for fixed in interface.addresses:
            common = {"version": fixed.get("version", 4), "OS-EXT-IPS-MAC:mac_addr": interface.mac}
            entries.append({**common, "addr": fixed["address"], "OS-EXT-IPS:type": "fixed"})
            for floating in shown.floating.get(fixed["address"], ()):
                entries.append({**common, "addr": floating, "OS-EXT-IPS:type": "floating"})
    return by_network


def _volumes(devices: Sequence[BlockDevice], minor: int) -> list[dict[str, Any]]:
    volumes = [device for device in devices if device.volume_id]
    if minor < 3:
        return [{"id": device.volume_id} for device in volumes]
    return [
        {"id": device.volume_id, "delete_on_termination": device.delete_on_termination} for device in volumes
    ]
