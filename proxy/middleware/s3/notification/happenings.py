"""One entry of the log: what happened to an object, or was about to happen.

    Happening ──written()──▶ text of a row ──read()──▶ Happening

Before a change the entry says what is intended; after it, with `is_settled`, what was done. Pure.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from .....common.errors import Corrupt
from .....common.timestamp import Timestamp

_SHORT = 256
"""Characters that are kept of what clients say freely: a row has to fit a header line."""
OF_METADATA = frozenset(("ObjectTagging", "ObjectAcl"))
"""Families of events that change what is said beside an object, by a POST."""
_FORM = 1
_LEVEL = 1
_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What happened to an object."""

    event: str
    """As `ObjectCreated:Put`."""
    moment: Timestamp
    """By which the store orders the changes of an object; the change has it, too."""
    account: str
    bucket: str
    key: str
    rule: str
    """The Id of the configuration that wants to hear of it."""
    is_settled: bool = False
    """Whether it has been done; else it may be under way, or have failed, and only the store can tell."""
    size: int | None = None
    etag: str = ""
    version_id: str = ""
    user: str = ""
    address: str = ""
    request_id: str = ""

    @property
    def family(self) -> str:
        """What stands before the colon of the event."""
        return self.event.partition(":")[0]

    @property
    def place(self) -> tuple[str, str, str]:
        """Which object it is about: what happens to one object is told in its order."""
        return self.account, self.bucket, self.key


def written(happening: Happening) -> str:
    """Return it as text of letters, digits, `-`, `_` and `=`."""
    said = asdict(happening)
    said["moment"] = happening.moment.internal
    for name in ("user", "address", "request_id"):
        said[name] = said[name][:_SHORT]
    told = {"form": _FORM, **{name: value for name, value in said.items() if value or value == 0}}
    return base64.urlsafe_b64encode(zlib.compress(orjson.dumps(told), _LEVEL)).decode("ascii")


def read(text: str) -> Happening:
    """Return what a row says.

    Raises:
        Corrupt: when it is no entry.
    """
    try:
        squeezed = base64.b64decode(text, altchars=b"-_", validate=True)
        said: dict[str, Any] = orjson.loads(zlib.decompressobj().decompress(squeezed, _BYTES_MAX))
        if said.pop("form") != _FORM:
            raise Corrupt("the entry has a form that is not known here")
        happening = Happening(**{**said, "moment": Timestamp.parse(said["moment"])})
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Corrupt(f"no entry of the log: {problem}") from problem
    if not (happening.account and happening.bucket and happening.key and ":" in happening.event):
        raise Corrupt("the entry does not say what happened")
    return happening
