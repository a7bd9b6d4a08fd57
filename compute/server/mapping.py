"""A server's volumes in the properties of an image, so that another server can be started from it.

    devices, a snapshot of each ──▶ properties_of() ──▶ {"block_device_mapping": "[{…}, …]", …}
    such properties ──▶ disks_in() ──▶ AskedDisk, …, as if a request had named the snapshots

The image has no data of its own. Names and members are OpenStack Compute's, so that its clients and services
read such images too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..api.faults import BadRequest
from .ordering import AskedDisk, asked_disk
from .records import BlockDevice

PROPERTY = "block_device_mapping"


def properties_of(devices: Sequence[tuple[BlockDevice, str]]) -> dict[str, str]:
    """Return the properties for volumes and the ids of their snapshots."""
    mapping = [
        {
            "source_type": "snapshot",
            "destination_type": "volume",
            "snapshot_id": snapshot_id,
            "boot_index": device.boot_index,
            "device_name": f"/dev/{device.device}",
            "volume_size": device.size_gib,
            "volume_type": device.volume_type,
            "delete_on_termination": device.delete_on_termination,
            "tag": device.tag,
            "image_id": None,
            "volume_id": None,
            "no_device": None,
        }
        for device, snapshot_id in devices
    ]
    root = next((f"/dev/{device.device}" for device, _ in devices if device.boot_index == 0), "/dev/vda")
    return {PROPERTY: json.dumps(mapping), "bdm_v2": "True", "root_device_name": root}


def disks_in(properties: Mapping[str, Any]) -> tuple[AskedDisk, ...]:
    """Return the disks that an image says a server of it has; none for an image with data of its own.

    Raises:
        BadRequest: what the image says is no mapping.
    """
    written = properties.get(PROPERTY)
    if not written:
        return ()
    try:
        entries = json.loads(written)
        named = [{**entry, "uuid": entry.get(f"{entry['source_type']}_id")} for entry in entries]
    except (TypeError, ValueError, KeyError, AttributeError) as problem:
        raise BadRequest(f"The image's {PROPERTY} is none: {problem}") from problem
    return tuple(asked_disk(entry) for entry in named)
