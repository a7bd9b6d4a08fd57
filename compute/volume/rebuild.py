"""A lost catalogue made again: a walk over the records that stand beside the maps.

containers of the account ──▶ records of volumes, snapshots, backups whose maps are there ──▶ rows

What a record says is what was known when the data last changed: a name given later is the older one. Nothing
is attached afterwards; jobs, quotas, types and schedules are not in records.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from ..api.faults import BadRequest
from ..block.records import projects
from . import rows
from .office import Office
from .tables import backups, snapshots, types, volumes

log = logging.getLogger(__name__)

KINDS = (volumes, snapshots, backups)
_ALWAYS: Mapping[str, Any] = {
    "status": "available",
    "progress": "100%",
    "metadata": {},
    "image_metadata": {},
    "volume_facts": {},
    "object_count": 0,
    "bytes_added": 0,
    "bootable": False,
    "read_only": False,
    "multiattach": False,
}


def rebuild(office: Office) -> int:
    """Add what the store knows and the catalogue does not; return how much that is."""
    added = 0
    for project_id in projects(office.disks.store):
        for table in KINDS:
            for facts in office.disks.recorded(project_id, table.name):
                try:
                    added += office.catalogue.transaction(
                        partial(_add, office=office, table=table, facts=facts)
                    )
                except (KeyError, BadRequest, IntegrityError) as problem:
                    log.error("record not readable", extra={"kind": table.name, "why": repr(problem)})
    return added


def _add(connection: Connection, *, office: Office, table: Table, facts: Mapping[str, Any]) -> bool:
    """Add one row, unless it is there; False when it was."""
    if rows.one(connection, table, facts["id"]) is not None:
        return False
    row = {name: value for name, value in {**_ALWAYS, **facts}.items() if name in table.c}
    if row.get("type_id") and rows.one(connection, types, row["type_id"]) is None:
        row["type_id"] = None
    if "availability_zone" in table.c:
        row.setdefault("availability_zone", office.config.availability_zone)
    rows.add(connection, table, row)
    return True
