"""What a change of an object means in S3's words, where the store's request does not tell.

    an operation ──means(environ, "ObjectTagging:Put")──▶ environ ──meaning_of(environ)──▶ recording.py

Requests that an operation makes inherit it: what is asked on the way to a copy is part of the copy. No header
becomes that key of an environ.
"""

from __future__ import annotations

from dataclasses import dataclass

from .....common.http.wsgi import Environ

KEY = "apus.meaning"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a change is to be called."""

    event: str
    """As `ObjectCreated:Copy`; "" for what nobody is told of."""
    place: tuple[str, str, str] | None = None
    """Account, bucket and key that it is about, where the request is for another object of the store."""
    version_id: str = ""


def means(
    environ: Environ, event: str, *, place: tuple[str, str, str] | None = None, version_id: str = ""
) -> None:
    """Have what is asked with this environ, or on its behalf, mean that."""
    environ[KEY] = Meaning(event, place, version_id)


def forget(environ: Environ) -> None:
    """Have what is asked with this environ mean what its method says."""
    environ.pop(KEY, None)


def meaning_of(environ: Environ) -> Meaning | None:
    """Return what a request means, if anybody has said so."""
    said: Meaning | None = environ.get(KEY)
    return said
