"""The builder file: a pickled mapping, as stock Swift's swift-ring-builder reads and writes it.

    account.builder ──▶ parse() through the restricted reader ──▶ Builder
    Builder ──▶ write() ──▶ account.builder, whole or not at all

The only name a builder file may carry is array.array; anything else is refused unread.
"""

from __future__ import annotations

import os
import uuid
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import Corrupt
from ..common.restricted_pickle import dumps, loads
from .builder import Builder
from .device import Device
from .file import ID_TYPES, RingData, Row, replace_file, replica_count

TYPE_CODES: Mapping[int, str] = {2: "H", 4: "I"}
NARROW_CODES = "BHILQbhilq"
DEFAULT_MIN_PART_HOURS = 24


def read_builder(path: str | os.PathLike[str]) -> Builder:
    """Read a builder file; OSError when it can't be, Corrupt when it is none."""
    try:
        return parse(loads(Path(path).read_bytes(), allowed={("array", "array"): _checked_array}))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Corrupt(f"{os.fspath(path)} is no builder file: {error}") from error
    except Corrupt as error:
        raise Corrupt(f"{os.fspath(path)} is no builder file: {error}") from error


def write_builder(builder: Builder, path: str | os.PathLike[str]) -> None:
    """Write a builder file atomically; a builder gets its lasting id the first time."""
    if builder.id is None:
        builder.id = uuid.uuid4().hex
    replace_file(Path(path), dumps(written(builder)))


def _checked_array(code: str, values: Iterable[int] | bytes) -> array[int]:
    """Stand in for array.array, which would take floats and wide characters too."""
    if code not in NARROW_CODES:
        raise ValueError(f"an array of {code!r} has no place in a builder file")
    made: array[int] = array(code)
    if isinstance(values, bytes):
        made.frombytes(values)
    else:
        made.extend(values)
    return made


def parse(fields: Mapping[str, Any]) -> Builder:
    """Return the builder that a builder file's mapping describes."""
    devices = [None if entry is None else Device.parse(entry) for entry in fields["devs"]]
    partitions = fields["parts"]
    ages = fields["_last_part_moves"]
    rows = fields["_replica2part2dev"]
    id_bytes = max([row.itemsize for row in rows or []] or [fields.get("dev_id_bytes", 2)])
    if id_bytes not in ID_TYPES:
        raise Corrupt(f"device ids of {id_bytes} bytes")
    builder = Builder(
        part_power=fields["part_power"],
        replicas=fields["replicas"],
        min_part_hours=fields["min_part_hours"],
        devices=devices,
        removed=[entry["id"] for entry in fields["_remove_devs"]],
        rows=None if rows is None else [_row(row, id_bytes) for row in rows],
        version=fields["version"],
        overload=fields.get("overload", 0.0),
        devices_changed=fields["devs_changed"],
        next_part_power=fields.get("next_part_power"),
        id=fields.get("id"),
        id_bytes=id_bytes,
        moved_hours_ago=np.array(ages if ages is not None else [0] * partitions, dtype=np.uint8),
        moved_epoch=fields["_last_part_moves_epoch"] or 0,
        gather_start=fields["_last_part_gather_start"],
        graph=dict(fields.get("_dispersion_graph") or {}),
        dispersion=fields.get("dispersion"),
        wanted={
            entry["id"]: entry["parts_wanted"]
            for entry in fields["devs"]
            if entry and "parts_wanted" in entry
        },
    )
    if builder.partitions != partitions:
        raise Corrupt(f"{partitions} partitions are not two to the {builder.part_power}")
    return builder


def _row(row: Any, id_bytes: int) -> Row:
    return np.frombuffer(array(TYPE_CODES[id_bytes], row), dtype=ID_TYPES[id_bytes])


def written(builder: Builder) -> dict[str, Any]:
    """Return the mapping that stock Swift would write for this builder."""
    held = builder.held()
    devices: list[dict[str, Any] | None] = []
    for device in builder.devices:
        devices.append(None if device is None else device.written() | {"parts": int(held[device.id])})
    for id_, wanted in builder.wanted.items():
        entry = devices[id_]
        if entry is not None:
            entry["parts_wanted"] = wanted
    code, kind = TYPE_CODES[builder.id_bytes], ID_TYPES[builder.id_bytes]
    return {
        "part_power": builder.part_power,
        "next_part_power": builder.next_part_power,
        "replicas": builder.replicas,
        "min_part_hours": builder.min_part_hours,
        "parts": builder.partitions,
        "devs": devices,
        "devs_changed": builder.devices_changed,
        "dev_id_bytes": builder.id_bytes,
        "version": builder.version,
        "overload": builder.overload,
        "_replica2part2dev": None
        if builder.rows is None
        else [array(code, row.astype(kind).tobytes()) for row in builder.rows],
        "_last_part_moves_epoch": builder.moved_epoch,
        "_last_part_moves": array("B", builder.moved_hours_ago.tobytes()),
        "_last_part_gather_start": builder.gather_start,
        "_dispersion_graph": builder.graph,
        "dispersion": builder.dispersion,
        "_remove_devs": [devices[id_] for id_ in builder.removed],
        "id": builder.id,
    }


def from_ring(ring: RingData, min_part_hours: int) -> Builder:
    """Return a builder that a ring could have come from; ages and overload are lost."""
    return Builder(
        part_power=32 - ring.part_shift,
        replicas=float(replica_count(ring.rows)),
        min_part_hours=min_part_hours,
        devices=list(ring.devices),
        rows=ring.rows,
        version=ring.version or 0,
        next_part_power=ring.next_part_power,
        id_bytes=ring.id_bytes,
        dispersion=None,
    )
