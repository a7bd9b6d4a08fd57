"""What the services know about maps, kept beside them, so that a lost catalogue can be made again.

put("images", id, {...})   get("images", id) ──▶ {...}   list("images") ──▶ (id, {...}) …   delete
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ...common.errors import Corrupt, Missing
from ..store.interface import Store
from .naming import checked_id, records_container

log = logging.getLogger(__name__)

SUFFIX = "-records"


class Records:
    """The records of one project."""

    def __init__(self, store: Store, project_id: str) -> None:
        self._store = store
        self.container = records_container(project_id)

    def put(self, kind: str, record_id: str, document: Mapping[str, Any]) -> None:
        """Keep a record; one of the same kind and id is replaced."""
        self._store.put(
            self.container,
            _name(kind, record_id),
            body_of(document),
            headers={"Content-Type": "application/json"},
        )

    def get(self, kind: str, record_id: str) -> dict[str, Any]:
        """Return a record.

        Raises:
            Missing: there is none.
            Corrupt: it isn't a JSON object.
        """
        name = _name(kind, record_id)
        try:
            found = orjson.loads(self._store.read(self.container, name, newest=True))
        except ValueError as problem:
            raise Corrupt(f"{self.container}/{name}: {problem}") from problem
        if not isinstance(found, dict):
            raise Corrupt(f"{self.container}/{name} is no JSON object")
        return found

    def delete(self, kind: str, record_id: str) -> bool:
        """Remove a record; False when there was none."""
        return self._store.delete(self.container, _name(kind, record_id))

    def list(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ids and records of a kind in order; one removed meanwhile, or not readable, is left out."""
        prefix = f"{checked_id(kind)}/"
        for row in self._store.names(self.container, prefix=prefix):
            record_id = row.name.removeprefix(prefix)
            try:
                yield record_id, self.get(kind, record_id)
            except Missing:
                continue
            except Corrupt as problem:
                log.error("record not readable", extra={"why": str(problem)})


def body_of(document: Mapping[str, Any]) -> bytes:
    """Return a record as it is written: the same document gives the same bytes."""
    return orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS)


def projects(store: Store) -> Iterator[str]:
    """Yield the ids of all projects that have records in the account: where a rebuild begins."""
    for container in store.containers():
        if container.endswith(SUFFIX):
            yield container.removesuffix(SUFFIX)


def _name(kind: str, record_id: str) -> str:
    return f"{checked_id(kind)}/{checked_id(record_id)}"
