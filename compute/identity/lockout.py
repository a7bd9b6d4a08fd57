"""Whether somebody knows a password, and what becomes of those who try many.

    user's row, password ──confirmed()──▶ True | False        failures counted in the row

After so many wrong ones in a row nobody is let in for a while, with the right one neither; the answer is
the same, and takes as long, for users who are locked out, disabled, without a password, or not there.
"""

from __future__ import annotations

from sqlalchemy import case

from . import tables
from .settings import IdentityConfig
from .world import Change, Record, World


def is_locked(user: Record, config: IdentityConfig, *, now: float) -> bool:
    """Whether a user is locked out at the moment."""
    return bool(
        config.lockout_failures
        and user["failures"] >= config.lockout_failures
        and now - user["failed_at"] < config.lockout_seconds
    )


def confirmed(world: World, user: Record | None, password: str) -> bool:
    """Whether it is the password of a user who is enabled and not locked out."""
    now = world.clock()
    counts = user is not None and user["enabled"] and not is_locked(user, world.config, now=now)
    stored = user["password_hash"] if user is not None and counts else None
    right = world.passwords.is_right(password, stored)
    if user is None or not counts:
        return False
    if not right:
        _note_failure(world, user["id"])
    elif user["failures"] or world.passwords.is_outdated(user["password_hash"]):
        fresh = world.passwords.hash(password)
        table = tables.users
        world.change(
            lambda change: change.connection.execute(
                table.update().where(table.c.id == user["id"]).values(failures=0, password_hash=fresh)
            )
        )
    return right


def _note_failure(world: World, user_id: str) -> None:
    """Count; what lies longer back than a lock-out lasts is forgotten."""
    column = tables.users.c

    def work(change: Change) -> None:
        old = column.failed_at < change.now - world.config.lockout_seconds
        change.connection.execute(
            tables.users.update()
            .where(column.id == user_id)
            .values(failures=case((old, 1), else_=column.failures + 1), failed_at=change.now)
        )

    world.change(work)
