"""What a request for servers asks, read and judged before anything is asked of anyone.

    {"server": {…}, "os:scheduler_hints": {…}}, microversion ──▶ Order      or BadRequest, naming the member

Values only.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api.faults import BadRequest
from .controllers.rim import pairs, text, truth, whole

USER_DATA_MAX = 65535
TAGS_MAX = 50
DISK_CONFIG, MANUAL = "OS-DCF:diskConfig", "MANUAL"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(_LABEL)
_QUALIFIED = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")  # Since 2.94.
_SOURCES = ("image", "volume", "snapshot", "blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDisk:
    """One entry of block_device_mapping_v2."""

    source: str
    source_id: str | None
    to_volume: bool
    boot_index: int | None
    size_gib: int | None
    volume_type: str | None
    tag: str | None
    delete_on_termination: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for servers."""

    name: str
    flavor_id: str
    image_id: str
    disks: tuple[AskedDisk, ...]
    networks: str | tuple[Mapping[str, Any], ...]  # "auto", "none", or what is asked for each port
    least: int
    most: int
    key_name: str | None
    user_data: str | None
    config_drive: bool
    disk_config: str
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    description: str | None
    hostname: str
    security_groups: tuple[str, ...]
    zone: str | None
    host: str | None
    admin_password: str | None
    files: tuple[tuple[str, str], ...]
    access_ipv4: str
    access_ipv6: str
    hints: Mapping[str, Any]
    wants_reservation: bool


def order_of(body: Mapping[str, Any], minor: int, *, metadata_most: int) -> Order:
    """Read the request.

    Raises:
        BadRequest: something in it is wrong, or not of this microversion.
    """
    asked = body.get("server")
    if not isinstance(asked, dict):
        raise BadRequest("The body lacks 'server'.")
    name = text(asked, "name")
    for member, version in (("description", 19), ("tags", 52), ("hostname", 90), ("host", 74)):
        if member in asked and minor < version:
            raise BadRequest(f"{member} is not taken before microversion 2.{version}.")
    least = whole(asked, "min_count", least=1, default=1)
    most = whole(asked, "max_count", least=1, default=least)
    if least > most:
        raise BadRequest("min_count must be <= max_count")
    disks = _disks(asked)
    image = asked.get("imageRef") or ""
    if not isinstance(image, str):
        raise BadRequest(f"Invalid imageRef provided: {image!r}.")
    image = reference_of(image)
    if not image and not any(disk.boot_index == 0 for disk in disks):
        raise BadRequest("Invalid imageRef provided.")
    zone, host = _place(asked)
    return Order(
        name=name,
        flavor_id=reference_of(str(asked.get("flavorRef") or "")),
        image_id=image,
        disks=disks,
        networks=_networks(asked, minor),
        least=least,
        most=most,
        key_name=asked.get("key_name") or None,
        user_data=_user_data(asked.get("user_data")),
        config_drive=truth(asked, "config_drive", default=False),
        disk_config=disk_config_of(asked) or MANUAL,
        metadata=pairs(asked.get("metadata") or {}, most=metadata_most),
        tags=tags_of(asked.get("tags") or []),
        description=_described(asked, minor, name),
        hostname=hostname_of(asked.get("hostname"), minor) or _hostname(name),
        security_groups=_groups(asked.get("security_groups")),
        zone=zone,
        host=host,
        admin_password=asked.get("adminPass"),
        files=files_of(asked.get("personality") or [], minor),
        access_ipv4=access_address(asked.get("accessIPv4"), version=4),
        access_ipv6=access_address(asked.get("accessIPv6"), version=6),
        hints=_hints(body),
        wants_reservation=truth(asked, "return_reservation_id", default=False),
    )


def reference_of(text: str) -> str:
    """Return the id in a reference, that may be a URL."""
    return text.rstrip("/").rsplit("/", 1)[-1]


def access_address(asked: Any, *, version: int) -> str:
    """Return an address as RFC 5952 writes it, "" for none; raise BadRequest for anything else."""
    if asked in (None, ""):
        return ""
    try:
        found = ipaddress.ip_address(asked) if isinstance(asked, str) else None
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise BadRequest(f"Invalid input for field/attribute accessIPv{version}. Value: {asked!r}.")
    return str(found)


def disk_config_of(asked: Mapping[str, Any]) -> str:
    """Return whether a guest shall fit its partitions to its disk: AUTO, MANUAL, or "" for nothing said."""
    value = asked.get(DISK_CONFIG, "")
    if value not in ("", "AUTO", MANUAL):
        raise BadRequest(f"{DISK_CONFIG} must be either 'MANUAL' or 'AUTO'.")
    return str(value)


def changes_of(asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of the access addresses and the disk configuration that are asked for, no others."""
    found = {
        f"access_ipv{version}": access_address(asked[f"accessIPv{version}"], version=version)
        for version in (4, 6)
        if f"accessIPv{version}" in asked
    }
    if disk_config := disk_config_of(asked):
        found["disk_config"] = disk_config
    return found


def tags_of(tags: Any) -> tuple[str, ...]:
    """Return tags, in order and each once; raise BadRequest for what is none."""
    if not isinstance(tags, list) or len(tags) > TAGS_MAX:
        raise BadRequest(f"Tags must be a list of up to {TAGS_MAX}.")
    for tag in tags:
        if not isinstance(tag, str) or not 0 < len(tag) <= 60 or "/" in tag or "," in tag:
            raise BadRequest(f"Invalid tag {tag!r}: 1 to 60 characters, no slash and no comma.")
    return tuple(dict.fromkeys(tags))


def _described(asked: Mapping[str, Any], minor: int, name: str) -> str | None:
    """Return the description: up to 2.18 it was the server's name."""
    if minor < 19:
        return name
    description = asked.get("description")
    if description is not None and (not isinstance(description, str) or len(description) > 255):
        raise BadRequest("The description must be a text of up to 255 characters, or null.")
    return description


def hostname_of(asked: Any, minor: int) -> str:
    """Return the host name that is asked for, since 2.94 also a qualified one; "" for none.

    Raises:
        BadRequest: it is none.
    """
    if asked is None:
        return ""
    if not isinstance(asked, str) or not (_QUALIFIED if minor >= 94 else _HOSTNAME).fullmatch(asked):
        raise BadRequest(f"Invalid hostname {asked!r}.")
    return asked


def _hostname(name: str) -> str:
    """Return a host name made of the server's name."""
    made = re.sub(r"[^a-z0-9-]+", "", re.sub(r"[ _.]+", "-", name.lower())).strip("-")[:63].rstrip("-")
    return made or "server"


def _groups(asked: Any) -> tuple[str, ...]:
    if asked is None:
        return ()
    if not isinstance(asked, list) or not all(isinstance(group, dict) for group in asked):
        raise BadRequest("security_groups must be a list of objects.")
    return tuple(dict.fromkeys(text(group, "name") for group in asked))


def _place(asked: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return zone and host: `zone`, `zone:host`, or the members host and hypervisor_hostname."""
    zone, _, host = str(asked.get("availability_zone") or "").partition(":")
    named = host.partition(":")[0] or asked.get("host") or asked.get("hypervisor_hostname") or None
    return zone or None, named


def _user_data(asked: Any) -> str | None:
    if asked in (None, ""):
        return None
    try:
        base64.b64decode(asked, validate=True)
    except (binascii.Error, ValueError, TypeError) as problem:
        raise BadRequest("User data needs to be valid base 64.") from problem
    if len(asked) > USER_DATA_MAX:
        raise BadRequest(f"User data too large. User data must be no larger than {USER_DATA_MAX} bytes.")
    return str(asked)


def files_of(asked: Any, minor: int) -> tuple[tuple[str, str], ...]:
    """Return path and content (base 64) of files for the config drive; raise BadRequest for what is none."""
    if asked and minor >= 57:
        raise BadRequest("personality is not taken since microversion 2.57.")
    if not isinstance(asked, list) or not all(isinstance(file, dict) for file in asked):
        raise BadRequest("personality must be a list of objects.")
    return tuple((text(file, "path"), _content(file.get("contents"))) for file in asked)


def _content(contents: Any) -> str:
    try:
        base64.b64decode("".join(contents.split()), validate=True)
    except (AttributeError, binascii.Error, ValueError) as problem:
        raise BadRequest("Personality content must be text in base 64.") from problem
    return str(contents)


def _hints(body: Mapping[str, Any]) -> Mapping[str, Any]:
    hints = body.get("os:scheduler_hints") or body.get("OS-SCH-HNT:scheduler_hints") or {}
    if not isinstance(hints, dict):
        raise BadRequest("Scheduler hints must be an object.")
    return hints


def _networks(asked: Mapping[str, Any], minor: int) -> str | tuple[Mapping[str, Any], ...]:
    """Return what is asked of networks: since 2.37 it must be said."""
    networks = asked.get("networks")
    if networks is None:
        if minor >= 37:
            raise BadRequest("Invalid input for field/attribute server: 'networks' is a required property")
        return "auto-if-one"
    if isinstance(networks, str):
        if minor < 37 or networks not in ("auto", "none"):
            raise BadRequest(f"networks = {networks!r}: say auto, none (since 2.37), or a list.")
        return networks
    if not isinstance(networks, list):
        raise BadRequest("networks must be a list, auto or none.")
    found = []
    for entry in networks:
        if not isinstance(entry, dict) or not (entry.get("uuid") or entry.get("port")):
            raise BadRequest("Each network must have a uuid or a port.")
        found.append(
            {
                "network": entry.get("uuid"),
                "port": entry.get("port"),
                "fixed_ip": entry.get("fixed_ip"),
                "tag": entry.get("tag"),
            }
        )
    return tuple(found)


def _disks(asked: Mapping[str, Any]) -> tuple[AskedDisk, ...]:
    entries = asked.get("block_device_mapping_v2") or []
    if not isinstance(entries, list):
        raise BadRequest("block_device_mapping_v2 must be a list.")
    disks = tuple(asked_disk(entry) for entry in entries)
    if sum(disk.boot_index == 0 for disk in disks) > 1:
        raise BadRequest("Block Device Mapping is Invalid: more than one disk has boot index 0.")
    return disks


def asked_disk(entry: Any) -> AskedDisk:
    """Return what an entry of block_device_mapping_v2 asks; raise BadRequest for what is none."""
    if not isinstance(entry, dict) or entry.get("source_type") not in _SOURCES:
        raise BadRequest(
            f"Block Device Mapping is Invalid: source_type must be one of {', '.join(_SOURCES)}."
        )
    source = entry["source_type"]
    to_volume = (
        entry.get("destination_type", "volume" if source in ("volume", "snapshot") else "local") == "volume"
    )
    if source in ("volume", "snapshot") and not to_volume:
        raise BadRequest(f"Block Device Mapping is Invalid: a {source} cannot be a local disk.")
    source_id = entry.get("uuid")
    if source != "blank":
        try:
            uuid.UUID(str(source_id))
        except ValueError as problem:
            raise BadRequest(f"Block Device Mapping is Invalid: {source} needs a uuid.") from problem
    size = entry.get("volume_size")
    if source == "blank" and size is None:
        raise BadRequest("Block Device Mapping is Invalid: a blank disk needs volume_size.")
    if source == "image" and to_volume and size is None:
        raise BadRequest("Images with destination_type 'volume' need to have a non-zero size specified")
    index = entry.get("boot_index")
    return AskedDisk(
        source=source,
        source_id=str(source_id) if source_id else None,
        to_volume=to_volume,
        boot_index=whole(entry, "boot_index", least=-1) if index is not None else None,
        size_gib=whole(entry, "volume_size", least=1) if size is not None else None,
        volume_type=entry.get("volume_type"),
        tag=entry.get("tag"),
        delete_on_termination=truth(entry, "delete_on_termination", default=False),
    )
