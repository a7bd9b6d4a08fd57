"""Which devices are given a rest because they kept failing.

    failure of a device ──▶ ErrorLimit.count() ──▶ after too many: is_limited() for a while
    507, unmounted      ──▶ ErrorLimit.limit() ──▶ at once

Counts only; whoever asks says what time it is, and logs.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Record:
    """Errors of one device since its last rest."""

    errors: int = 0
    last_at: float = 0.0


@dataclass(slots=True)
class ErrorLimit:
    """Error counts of all devices that failed lately, for one process."""

    rest_seconds: float = 60.0
    errors_max: int = 10
    records: dict[tuple[str, int, str], _Record] = field(default_factory=dict, init=False)
    """Of devices that failed lately; nearly always there are none."""

    def is_limited(self, key: tuple[str, int, str], now: float) -> bool:
        """Tell whether the device (ip, port, name) is resting."""
        record = self.records.get(key)
        if record is None:
            return False
        if now - record.last_at > self.rest_seconds:
            del self.records[key]
            return False
        return record.errors > self.errors_max

    def count(self, key: tuple[str, int, str], now: float) -> bool:
        """Count one failure; True if the device has just been given a rest."""
        record = self.records.setdefault(key, _Record())
        record.errors += 1
        record.last_at = now
        return record.errors == self.errors_max + 1

    def limit(self, key: tuple[str, int, str], now: float) -> None:
        """Give the device a rest at once."""
        self.records[key] = _Record(errors=self.errors_max + 1, last_at=now)
