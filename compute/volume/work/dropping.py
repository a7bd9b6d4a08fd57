"""A map that nothing has any more, deleted; the record of what it belonged to says what there is instead."""

from __future__ import annotations

from .. import rows
from ..disks import Place
from ..jobs import Job, Work
from ..office import Office
from ..tables import volumes
from .ending import write_record


def _drop(office: Office, job: Job) -> None:
    with office.catalogue.read() as connection:
        row = rows.one(connection, volumes, job.resource_id)
    if row is not None and row["map_id"]:
        write_record(office, volumes, row)
    office.disks.delete(Place(job.project_id, job.state["map_id"]))


def _left_behind(_office: Office, _job: Job, _why: str) -> None:
    """Nobody waits for it; the job's warning in the log names the map."""


DROPPING_WORK = {"drop map": Work((_drop,), _left_behind)}
