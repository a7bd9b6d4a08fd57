"""Where an upload and its parts are kept, beside the bucket.

    BUCKET+segments    KEY/UPLOAD_ID        the upload: empty, with the headers that its object will have
                       KEY/UPLOAD_ID/7      its seventh part
                       KEY/UPLOAD_ID/0      who is finishing it just now (claims.py)

The first two are stock Swift's. It takes the third for a part that no upload has, and lists it nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..names import SEGMENTS, segments_of

SUFFIX = SEGMENTS
NUMBER_MAX = 10_000
_DIGITS = re.compile(r"[0-9]+\Z", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,4}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload's names."""

    bucket: str
    key: str
    upload_id: str

    @property
    def container(self) -> str:
        """Where it is kept."""
        return segments_of(self.bucket)

    @property
    def name(self) -> str:
        """What stands for it, from its beginning to its end."""
        return f"{self.key}/{self.upload_id}"

    @property
    def prefix(self) -> str:
        """What the names of its parts begin with."""
        return f"{self.name}/"

    @property
    def claim(self) -> str:
        """What says who is finishing it."""
        return f"{self.name}/0"

    def part(self, number: int) -> str:
        """Return the name of a part."""
        return f"{self.name}/{number}"


def can_be_upload_id(text: str) -> bool:
    """Tell whether a client's word may be one: it must not make a part, or another key, of a name."""
    return bool(text) and "/" not in text and "\0" not in text and not _DIGITS.match(text)


def upload_of(bucket: str, name: str) -> Upload | None:
    """Return the upload that a name stands for; None for what is a part."""
    key, slash, last = name.rpartition("/")
    if not slash or not key or not can_be_upload_id(last):
        return None
    return Upload(bucket, key, last)


def number_of(upload: Upload, name: str) -> int | None:
    """Return the number of a part of this upload; None for what is none."""
    last = name.removeprefix(upload.prefix)
    if last == name or not _NUMBER.match(last) or int(last) > NUMBER_MAX:
        return None
    return int(last)


def behind_parts(name: str) -> str | None:
    """Return what is listed after all parts of the upload of which this is one; None for what is none."""
    before, slash, last = name.rpartition("/")
    if not slash or not _DIGITS.match(last):
        return None
    return f"{before}/:"  # The colon follows the digits.
