"""What a guest reads about itself: the metadata documents, in OpenStack's form and in EC2's.

    Guest(...) ──▶ openstack_document(guest, "latest/meta_data.json") ──▶ bytes, or None (404)
               ──▶ ec2_document(guest, "latest/meta-data/hostname")   ──▶ bytes, or None
               ──▶ config_drive_files(guest) ──▶ {path: bytes} for the disk labelled config-2

The same documents come by HTTP from 169.254.169.254 and on the config drive; cloud-init reads either.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22",
            "2018-08-27", "2020-10-14", "latest")  # fmt: skip
EC2_VERSIONS = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01",
                "2008-09-01", "2009-04-04")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface with its addresses, as the network service gave them."""

    port_id: str
    network_id: str
    mac: str
    mtu: int = 1500
    addresses: tuple[
        Mapping[str, Any], ...
    ] = ()  # {address, prefix, gateway, version, dns, routes, dhcp, subnet_id}
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What may be told to one guest about itself."""

    uuid: str
    name: str
    hostname: str
    project_id: str
    zone: str = "nova"
    launch_index: int = 0
    key_name: str | None = None
    public_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    user_data: bytes | None = None
    admin_password: str | None = None
    flavor_name: str = ""
    image_id: str = ""
    links: tuple[Link, ...] = ()
    floating_ip: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    reservation_id: str = ""
    random_seed: bytes = b""
    devices: tuple[Mapping[str, Any], ...] = ()
    vendor_data: Mapping[str, Any] = field(default_factory=dict)
    left_password: str = ""


def meta_data(guest: Guest) -> dict[str, Any]:
    """Return meta_data.json; what is not set is left out, as readers expect."""
    document: dict[str, Any] = {
        "uuid": guest.uuid,
        "name": guest.name,
        "hostname": guest.hostname,
        "availability_zone": guest.zone,
        "launch_index": guest.launch_index,
        "project_id": guest.project_id,
        "devices": [dict(device) for device in guest.devices],
        "dedicated_cpus": [],
    }
    if guest.metadata:
        document["meta"] = dict(guest.metadata)
    if guest.public_key and guest.key_name:
        document["public_keys"] = {guest.key_name: guest.public_key}
        kind = "x509" if "CERTIFICATE-----" in guest.public_key else "ssh"
        document["keys"] = [{"name": guest.key_name, "type": kind, "data": guest.public_key}]
    if guest.admin_password:
        document["admin_pass"] = guest.admin_password
    if guest.random_seed:
        document["random_seed"] = base64.b64encode(guest.random_seed).decode()
    if guest.files:
        document["files"] = [
            {"path": path, "content_path": f"/content/{index:04d}"}
            for index, (path, _) in enumerate(guest.files)
        ]
    return document


def network_data(guest: Guest) -> dict[str, Any]:
    """Return network_data.json: links, networks and services."""
    links, networks, resolvers = [], [], []
    for index, link in enumerate(guest.links):
        name = f"tap{link.port_id[:11]}"
        links.append(
            {
                "id": name,
                "vif_id": link.port_id,
                "type": "bridge",
                "mtu": link.mtu,
                "ethernet_mac_address": link.mac,
            }
        )
        for order, entry in enumerate(link.addresses):
            networks.append(_network(f"network{index}" + (f"_{order}" if order else ""), name, link, entry))
            for server in entry.get("dns", ()):
                if {"type": "dns", "address": server} not in resolvers:
                    resolvers.append({"type": "dns", "address": server})
    return {"links": links, "networks": networks, "services": resolvers}


def _network(name: str, link_name: str, link: Link, entry: Mapping[str, Any]) -> dict[str, Any]:
    version = entry.get("version", 4)
    document: dict[str, Any] = {"id": name, "link": link_name, "network_id": link.network_id}
    if entry.get("dhcp"):
        return {**document, "type": f"ipv{version}_dhcp"}
    routes = [
        {"network": route["destination"], "netmask": "", "gateway": route["nexthop"]}
        for route in entry.get("routes", ())
    ]
    if entry.get("gateway"):
        anywhere, mask = ("0.0.0.0", "0.0.0.0") if version == 4 else ("::", "::")
        routes.insert(0, {"network": anywhere, "netmask": mask, "gateway": entry["gateway"]})
    mask = _netmask(int(entry.get("prefix", 24))) if version == 4 else "ffff:ffff:ffff:ffff::"
    return {
        **document,
        "type": f"ipv{version}",
        "ip_address": entry["address"],
        "netmask": mask,
        "routes": routes,
        "services": [{"type": "dns", "address": server} for server in entry.get("dns", ())],
    }


def _netmask(prefix: int) -> str:
    bits = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return ".".join(str((bits >> shift) & 255) for shift in (24, 16, 8, 0))


def openstack_document(guest: Guest, path: str) -> bytes | None:
    """Return the document at `/openstack/<path>`; a folder's is the list of its names, one a line."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join(VERSIONS).encode()
    if parts[0] == "content" and len(parts) == 2:
        return _content(guest, parts[1])
    if parts[0] not in VERSIONS:
        return None
    documents = _openstack_files(guest)
    if len(parts) == 1:
        return "\n".join(sorted(documents)).encode()
    return documents.get("/".join(parts[1:]))


def _content(guest: Guest, name: str) -> bytes | None:
    if not name.isdigit() or int(name) >= len(guest.files):
        return None
    return guest.files[int(name)][1]


def _openstack_files(guest: Guest) -> dict[str, bytes]:
    files = {
        "meta_data.json": _json(meta_data(guest)),
        "network_data.json": _json(network_data(guest)),
        "vendor_data.json": _json(dict(guest.vendor_data)),
        "vendor_data2.json": _json({"static": dict(guest.vendor_data)} if guest.vendor_data else {}),
        "password": guest.left_password.encode(),
    }
    if guest.user_data is not None:
        files["user_data"] = guest.user_data
    return files


def config_drive_files(guest: Guest) -> dict[str, bytes]:
    """Return every file of the config drive by its path."""
    files: dict[str, bytes] = {}
    for version in ("2018-08-27", "latest"):
        for name, data in _openstack_files(guest).items():
            if name != "password":
                files[f"openstack/{version}/{name}"] = data
    for index, (_, data) in enumerate(guest.files):
        files[f"openstack/content/{index:04d}"] = data
    files["ec2/latest/meta-data.json"] = _json(ec2_tree(guest))
    if guest.user_data is not None:
        files["ec2/latest/user-data"] = guest.user_data
    return files


def ec2_tree(guest: Guest) -> dict[str, Any]:
    """Return the tree under EC2's `meta-data/`; a dict is a folder."""
    fixed = next(
        (
            entry["address"]
            for link in guest.links
            for entry in link.addresses
            if entry.get("version", 4) == 4
        ),
        "",
    )
    tree: dict[str, Any] = {
        "ami-id": ec2_id(guest.image_id, "ami"),
        "ami-launch-index": str(guest.launch_index),
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": guest.hostname,
        "instance-action": "none",
        "instance-id": ec2_id(guest.uuid, "i"),
        "instance-type": guest.flavor_name,
        "local-hostname": guest.hostname,
        "local-ipv4": fixed,
        "placement": {"availability-zone": guest.zone},
        "public-hostname": guest.hostname,
        "public-ipv4": guest.floating_ip,
        "reservation-id": guest.reservation_id,
        "security-groups": "default",
    }
    if guest.public_key and guest.key_name:
        tree["public-keys"] = {"0": {"_name": guest.key_name, "openssh-key": guest.public_key}}
    tree["ami-manifest-path"] = "unknown"
    return tree


def ec2_id(uuid: str, prefix: str) -> str:
    """Return the short id that EC2's clients expect, made from a uuid: i-0123abcd."""
    digits = "".join(letter for letter in uuid if letter in "0123456789abcdef")
    return f"{prefix}-{digits[:8]:0>8}"


def ec2_document(guest: Guest, path: str) -> bytes | None:
    """Return the document at `/<path>` of EC2's metadata service; folders list their names."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join((*EC2_VERSIONS, "latest")).encode()
    if parts[0] != "latest" and parts[0] not in EC2_VERSIONS:
        return None
    if len(parts) == 1:
        return b"meta-data/\nuser-data" if guest.user_data is not None else b"meta-data/"
    if parts[1] == "user-data" and len(parts) == 2:
        return guest.user_data
    if parts[1] != "meta-data":
        return None
    node: Any = ec2_tree(guest)
    for part in parts[2:]:
        node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            return None
    return _ec2_text(node)


def _ec2_text(node: Any) -> bytes:
    if not isinstance(node, dict):
        return str(node).encode()
    lines = []
    for name, value in sorted(node.items()):
        if name == "_name":
            continue
        if isinstance(value, dict) and "_name" in value:
            lines.append(f"{name}={value['_name']}")
        else:
            lines.append(f"{name}/" if isinstance(value, dict) else name)
    return "\n".join(lines).encode()


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
