"""A log of rows in memory, in the place of the proxy's, and a store that keeps one."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeping_store import KeepingStore

from apus.common.errors import Unavailable
from apus.common.timestamp import Timestamp
from apus.proxy.middleware.s3.notification import happenings
from apus.proxy.middleware.s3.notification.happenings import Happening
from apus.proxy.row_log import PAGE, Page, Row, merged


@dataclass(eq=False)
class KeptLog:
    """What RowLog is to those who use it."""

    kept: dict[tuple[str, str], Row] = field(default_factory=dict)
    is_down: bool = False
    history: list[str] = field(default_factory=list)
    """What was done, one word each."""

    def put(self, container: str, name: str, text: str, moment: Timestamp) -> None:
        """Keep an entry."""
        if self.is_down:
            raise Unavailable("nobody answers")
        before = self.kept.get((container, name))
        assert before is None or before.moment < moment.isoformat
        self.history.append("settled" if happenings.read(text).is_settled else "intended")
        self.kept[container, name] = Row(name, text, moment.isoformat)

    def remove(self, container: str, name: str, moment: Timestamp) -> bool:
        """Take one out."""
        if self.is_down:
            return False
        before = self.kept.pop((container, name), None)
        assert before is None or before.moment < moment.isoformat
        self.history.append("removed")
        return True

    def rows(self, container: str, marker: str = "") -> Page:
        """Return those of a container."""
        found = [row for (where, _), row in sorted(self.kept.items()) if where == container]
        return merged([[row for row in found if row.name > marker][:PAGE]], PAGE)

    def drop(self, container: str, moment: Timestamp) -> None:
        """Delete a container."""
        self.history.append(f"dropped {container}")

    @property
    def entries(self) -> list[Happening]:
        """What it says."""
        return [happenings.read(row.text) for _, row in sorted(self.kept.items())]


@dataclass(eq=False)
class LoggingStore(KeepingStore):
    """A store with a log."""

    log: KeptLog = field(default_factory=KeptLog)

    def row_log(self, account: str) -> KeptLog:
        """Return the log."""
        assert account.startswith(".")
        return self.log
