"""A log that is made of rows: entries in the containers of one of the cluster's own accounts.

    put(container, name, text) ──▶ all primaries of the container ──▶ a quorum has it on disk, or Unavailable
    rows(container)            ◀── of each name the newest text that any primary has

A container comes into being with its first row. What was taken out and is shown again comes from a primary
that missed it: whoever reads must be able to do the same thing twice. What entries mean is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from ..common.concurrency import Crew
from ..common.errors import Unavailable
from ..common.timestamp import Timestamp
from .nodes import Candidate
from .quorum import quorum_size
from .replicas import Replicas
from .rings import Home

PAGE = 1000
_ROW: Final = {
    "X-Backend-Storage-Policy-Index": "0",
    "X-Etag": "d41d8cd98f00b204e9800998ecf8427e",
    "X-Size": "0",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One entry; `moment` is as listings show it, and sorts as text."""

    name: str
    text: str
    moment: str

    def after(self) -> Timestamp:
        """Return the first moment after it was written: what is written then replaces it."""
        return Timestamp.parse(_seconds(self.moment)).later(1)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order of their names; `marker` is where the next page begins, None at the end."""

    rows: Sequence[Row]
    marker: str | None


class RowLog:
    """The logs of one account, which no client can reach."""

    def __init__(self, replicas: Replicas, account: str) -> None:
        self._replicas = replicas
        self._account = account

    def put(self, container: str, name: str, text: str, moment: Timestamp) -> None:
        """Write an entry, or another text in its place.

        Raises:
            Unavailable: unless a quorum of the container's replicas has it on disk; some may.
        """
        row = {**_ROW, "X-Content-Type": text, "X-Timestamp": moment.internal}
        if not self._told("PUT", container, name, row):
            raise Unavailable("The log of what happens to objects cannot be written; try again.")

    def remove(self, container: str, name: str, moment: Timestamp) -> bool:
        """Take an entry out; tell whether a quorum of the container's replicas did."""
        row = {"X-Backend-Storage-Policy-Index": "0", "X-Timestamp": moment.internal}
        return self._told("DELETE", container, name, row)

    def rows(self, container: str, marker: str = "") -> Page:
        """Return the entries behind a name.

        Raises:
            Unavailable: when no replica of the container answers.
        """
        home = self._replicas.rings.of_container(self._account, container)
        return merged(self._listings(home, f"/{self._account}/{container}", marker), PAGE)

    def containers(self) -> list[str]:
        """Return the names of the containers that any replica of the account knows of, in order.

        Raises:
            Unavailable: when no replica of the account answers.
        """
        home = self._replicas.rings.of_account(self._account)
        names: set[str] = set()
        marker: str | None = ""
        while marker is not None:
            page = merged(self._listings(home, f"/{self._account}", marker), PAGE)
            names.update(row.name for row in page.rows)
            marker = page.marker
        return sorted(names)

    def drop(self, container: str, moment: Timestamp) -> None:
        """Delete a container that is empty; one that is not refuses."""
        home = self._replicas.rings.of_container(self._account, container)
        headers = {"X-Timestamp": moment.internal}
        self._change("DELETE", home, f"/{self._account}/{container}", headers)

    def _told(self, method: str, container: str, name: str, row: Mapping[str, str]) -> bool:
        home = self._replicas.rings.of_container(self._account, container)
        path = quote(f"/{self._account}/{container}/{name}", errors="surrogateescape")
        return self._change(method, home, path, row) >= quorum_size(home.replicas)

    def _change(self, method: str, home: Home, path: str, headers: Mapping[str, str]) -> int:
        """Ask the primaries for a change, even those that are left alone for a while; count who did it."""
        replicas = self._replicas
        said = {**headers, "User-Agent": replicas.user_agent}
        replies = replicas.change(
            replicas.question(method, path, home),
            [dict(said) for _ in home.at_home],
            iter(home.at_home),
            replicas=home.replicas,
        )
        return sum(reply.status // 100 == 2 for reply in replies)

    def _listings(self, home: Home, path: str, marker: str) -> list[Sequence[Row]]:
        def asked(candidate: Candidate) -> Sequence[Row] | None:
            return self._listing(home, path, marker, candidate)

        found = [rows for rows in Crew(home.replicas).map(asked, home.at_home) if rows is not None]
        if not found:
            raise Unavailable(f"no replica of {path} answers")
        return found

    def _listing(self, home: Home, path: str, marker: str, candidate: Candidate) -> Sequence[Row] | None:
        """Return one replica's rows, none where it has no such container; None when it does not answer."""
        query = urlencode({"format": "json", "limit": str(PAGE), "marker": marker}, errors="surrogateescape")
        backend = self._replicas.backend
        headers = {"User-Agent": self._replicas.user_agent}
        response = backend.ask(
            self._replicas.question("GET", quote(path), home, query=query), candidate, headers
        )
        if response is None:
            return None
        try:
            body = response.read()
        except Unavailable as problem:
            backend.failed(candidate.device, "GET", str(problem))
            return None
        if response.status == 404:
            return []
        return [_row(each) for each in orjson.loads(body or b"[]")] if response.status // 100 == 2 else None


def merged(listings: Sequence[Sequence[Row]], page: int) -> Page:
    """Return what replicas show together, as far as all of them have shown it: of a name the newest text."""
    ends = [rows[-1].name for rows in listings if len(rows) >= page]
    end = min(ends, default=None)
    newest: dict[str, Row] = {}
    for rows in listings:
        for row in rows:
            known = newest.get(row.name)
            if (end is None or row.name <= end) and (known is None or row.moment > known.moment):
                newest[row.name] = row
    return Page([newest[name] for name in sorted(newest)], end)


def _row(listed: Mapping[str, Any]) -> Row:
    return Row(listed["name"], listed.get("content_type", ""), listed.get("last_modified", ""))


def _seconds(moment: str) -> str:
    """Return a moment of a listing as a timestamp's text."""
    said = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return f"{int(said.replace(microsecond=0).timestamp())}.{said.microsecond // 10:05d}"
