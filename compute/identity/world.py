"""What every handler of the identity service works with.

    World.read()  ──▶ Connection, one moment of the tables
    World.change(work) ──▶ work(Change) in a transaction ──▶ revocations published when it is through

A change that ends tokens says so by `Change.revoke`, in the same transaction: either both happen or none.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from ...common.identity import Revocation
from ...common.identity.revocation import revocation_document
from ..api.faults import Conflict
from ..catalogue import Catalogue
from . import tables
from .keys import KeyFolder
from .passwords import Passwords
from .publishing import Publisher
from .settings import IdentityConfig

T = TypeVar("T")
Record = dict[str, Any]


def new_id() -> str:
    """Return an id that nobody has."""
    return uuid.uuid4().hex


def record(row: Row[Any]) -> Record:
    """Return a table's row by the names of its columns."""
    return dict(row._mapping)


@dataclass(slots=True)
class Change:
    """A transaction that changes something."""

    connection: Connection
    now: float
    revoked: list[int] = field(default_factory=list)
    """The rows of the revocations that it has made."""

    def revoke(self, **names: Any) -> None:
        """End the tokens that were issued until now and have all of this; see Revocation."""
        said = revocation_document(Revocation(before=self.now, **names))
        del said["before"]
        made = self.connection.execute(tables.revocations.insert().values(before=self.now, names=said))
        assert made.inserted_primary_key is not None
        self.revoked.append(made.inserted_primary_key[0])


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside of a request."""

    catalogue: Catalogue
    config: IdentityConfig
    keys: KeyFolder
    passwords: Passwords
    publisher: Publisher
    clock: Callable[[], float] = time.time

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that changes nothing."""
        return self.catalogue.read()

    def change(self, work: Callable[[Change], T]) -> T:
        """Run the work in a transaction, and let everybody know which tokens it has ended.

        Raises:
            Conflict: something of that name or id is there already.
        """
        changes: list[Change] = []

        def run(connection: Connection) -> T:
            changes[:] = [Change(connection, self.clock())]
            return work(changes[0])

        try:
            result = self.catalogue.transaction(run)
        except IntegrityError as problem:
            raise Conflict("Conflict occurred: there is one of that name or id already.") from problem
        if changes[0].revoked:
            self._revoke_overtaken(changes[0].revoked)
            self.publisher.publish()
        return result

    def _revoke_overtaken(self, rows: list[int]) -> None:
        """Let revocations mean the tokens, too, for which was read what was true until a moment ago.

        A token's time is taken before anything is read for it, so it is older than the end of the change.
        """
        table, now = tables.revocations, self.clock()
        self.catalogue.transaction(
            lambda connection: connection.execute(
                table.update().where(table.c.id.in_(rows)).values(before=now)
            )
        )
