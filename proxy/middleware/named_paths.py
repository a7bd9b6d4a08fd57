"""Paths of objects that headers name: Destination, X-Copy-From, X-Symlink-Target and their accounts.

    "/cont%C3%A4iner/o%2Fbject" ──container_and_object()──▶ ("containär", "o/bject")

A leading slash is optional. Values are percent-encoded once; what they decode to are names.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from ...common.errors import Refused
from ...common.http.wsgi import from_wsgi


def decoded(value: str) -> str:
    """Return the text of a percent-encoded header's value."""
    return unquote(from_wsgi(value), errors="surrogateescape")


def encoded(name: str) -> str:
    """Return a name, or a path, as a header's value."""
    return quote(name, errors="surrogateescape")


def container_and_object(value: str, header: str) -> tuple[str, str]:
    """Return the two names that a header's value consists of.

    Raises:
        Refused: with 412 when it does not name both.
    """
    container, _, name = decoded(value).removeprefix("/").partition("/")
    if not container or not name:
        raise Refused(f"{header} header must be of the form <container name>/<object name>", 412)
    return container, name


def account_name(value: str) -> str:
    """Return the account that a header's value names.

    Raises:
        Refused: with 412 when that can't be one.
    """
    name = decoded(value)
    if not name:
        raise Refused("Account name cannot be empty", 412)
    if "/" in name:
        raise Refused("Account name cannot contain slashes", 412)
    return name
