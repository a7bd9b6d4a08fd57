"""The newest map of a volume that a host may be writing to.

    no lease ──▶ the volume's map        lease ──▶ ask the host to commit, wait, then the volume's map
    copy_newest() ──▶ the same map once more, under an id that stays

A host keeps what its guest writes until it commits; so a snapshot, backup or clone of an attached volume
first has it commit, and fails with a sentence rather than be silently old.
"""

from __future__ import annotations

from sqlalchemy import Connection

from ....common.errors import Missing, Refused
from .. import rows
from ..disks import Place
from ..jobs import Job, Later
from ..office import Office
from ..tables import volumes
from .ending import place_of

POLL_SECONDS = 0.5


def copy_newest(
    office: Office, job: Job, volume_id: str, *, to: Place, size: int | None = None
) -> Later | None:
    """Keep the volume's newest map under another id; return when to look again, where it is not there yet.

    size: bytes of the copy, where it is to be larger.

    Raises:
        Missing: the volume is gone, or has no data yet.
        Refused: the host did not commit in time.
    """
    place = _newest_map(office, job, volume_id)
    if isinstance(place, Later):
        return place
    try:
        office.disks.copy(place, to=to, size=size)
    except Missing:
        with office.catalogue.read() as connection:
            row = rows.one(connection, volumes, volume_id)
        if row is None or place_of(row) == place:
            raise
        return Later(0.0)  # The host has committed for somebody else meanwhile: take that map.
    return None


def _newest_map(office: Office, job: Job, volume_id: str) -> Place | Later:
    """Return where the volume's map is when its host has committed, or when to look again.

    Raises:
        Missing: the volume is gone, or has no data yet.
        Refused: the host did not commit in time.
    """
    row = office.catalogue.transaction(lambda connection: _wanting(connection, office, job, volume_id))
    wanted_at = job.state.get("commit_wanted_at")
    if row["lease"] is None or wanted_at is None or (row["committed_at"] or 0.0) >= wanted_at:
        place = place_of(row)
        assert place is not None
        return place
    if office.clock() > wanted_at + office.config.commit_wait_seconds:
        raise Refused(
            f"Host {row['lease_host']} did not hand over what it has of the attached volume within "
            f"{office.config.commit_wait_seconds:g} s."
        )
    return Later(POLL_SECONDS)


def _wanting(connection: Connection, office: Office, job: Job, volume_id: str) -> dict[str, object]:
    row = rows.one(connection, volumes, volume_id, lock=True)
    if row is None or row["map_id"] is None:
        raise Missing(f"Volume {volume_id} has no data to be copied.")
    if row["lease"] is not None and "commit_wanted_at" not in job.state:
        job.state["commit_wanted_at"] = office.clock()
        rows.change(connection, volumes, volume_id, commit_wanted_at=job.state["commit_wanted_at"])
    return dict(row)
