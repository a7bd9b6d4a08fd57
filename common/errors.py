"""What can go wrong, one class per reaction of the caller.

    Refused      the client's fault: tell it, with a 4xx
    Missing      there is no such thing: 404
    Unavailable  this replica cannot serve now: try another one
    OutOfSpace   this device is full: 507, try another one
    Corrupt      what was read is not what was written: quarantine and heal

Errors are translated to statuses once, at the rim of each server; nothing here knows HTTP beyond the number.
"""

from __future__ import annotations


class ApusError(Exception):
    """Any failure that Apus itself names; the text is a plain sentence for a person."""


class Refused(ApusError):
    """The request cannot be granted as it was made; the sentence says what to change."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class Missing(ApusError):
    """There is nothing by that name."""


class Unavailable(ApusError):
    """This replica, device or peer cannot serve now; another may."""


class OutOfSpace(Unavailable):
    """The device has no room left for this."""


class Corrupt(ApusError):
    """Stored bytes contradict their checksum or format."""
