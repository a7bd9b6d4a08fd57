"""The limits that every client is told of at /info and held to.

    request's names and metadata ──▶ check_*() ──▶ nothing, or Refused with the status stock Swift gives

The numbers are OpenStack Swift's defaults; `[swift-constraints]` in swift.conf overrides them. They
bound what one item may cost on disk (metadata lives in an inode's attributes) and in one request line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .config import setting
from .errors import Refused

API_VERSIONS = frozenset(("v1", "v1.0"))
"""What the path of a resource begins with, as filters know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Limits on names, metadata, headers and sizes; all lengths are bytes of UTF-8."""

    max_file_size: int = setting(5368709122, help="Largest object that one PUT may make, in bytes.")
    max_meta_name_length: int = setting(128, help="Longest metadata name, without its prefix.")
    max_meta_value_length: int = setting(256, help="Longest metadata value.")
    max_meta_count: int = setting(90, help="Most metadata items on one account, container or object.")
    max_meta_overall_size: int = setting(4096, help="Names and values of an item's metadata together.")
    max_header_size: int = setting(8192, help="Longest header line.")
    extra_header_count: int = setting(0, help="Headers allowed beyond max_meta_count and 36 others.")
    max_object_name_length: int = setting(1024, help="Longest object name.")
    container_listing_limit: int = setting(10000, help="Most names in one container listing.")
    account_listing_limit: int = setting(10000, help="Most names in one account listing.")
    max_account_name_length: int = setting(256, help="Longest account name.")
    max_container_name_length: int = setting(256, help="Longest container name.")
    valid_api_versions: tuple[str, ...] = setting(("v1", "v1.0"), help="API versions in request paths.")

    @property
    def max_header_count(self) -> int:
        """All headers of one request: metadata, 36 ordinary ones (as stock counts), and the extra."""
        return self.max_meta_count + 36 + self.extra_header_count


def check_metadata(items: Iterable[tuple[str, str]], limits: Constraints) -> None:
    """Refuse metadata that breaks a limit; names come without their prefix, values as WSGI strings.

    Raises:
        Refused: with status 400 and the limit that was exceeded.
    """
    count = size = 0
    for name, value in items:
        if not name:
            raise Refused("Metadata name cannot be empty")
        if len(name) > limits.max_meta_name_length:
            raise Refused(f"Metadata name too long: {name}")
        if len(value) > limits.max_meta_value_length:
            raise Refused(f"Metadata value longer than {limits.max_meta_value_length}: {name}")
        count += 1
        size += len(name) + len(value)
    if count > limits.max_meta_count:
        raise Refused(f"Too many metadata items; max {limits.max_meta_count}")
    if size > limits.max_meta_overall_size:
        raise Refused(f"Total metadata too large; max {limits.max_meta_overall_size}")


def check_object_name(name: str, limits: Constraints) -> None:
    """Refuse an object name that is too long."""
    _check_length("Object", name, limits.max_object_name_length)


def check_container_name(name: str, limits: Constraints) -> None:
    """Refuse a container name that is too long or holds a slash."""
    _check_length("Container", name, limits.max_container_name_length)
    _check_slashes("Container", name)


def check_account_name(name: str, limits: Constraints) -> None:
    """Refuse an account name that is too long or holds a slash."""
    _check_length("Account", name, limits.max_account_name_length)
    _check_slashes("Account", name)


def _check_length(kind: str, name: str, longest: int) -> None:
    length = len(name.encode("utf-8", "surrogateescape"))
    if length > longest:
        raise Refused(f"{kind} name length of {length} longer than {longest}")


def _check_slashes(kind: str, name: str) -> None:
    if "/" in name:
        raise Refused(f"{kind} name cannot contain slashes")


def is_valid_name(text: str) -> bool:
    """Whether a decoded name is UTF-8 without NUL and surrogates, as names must be."""
    if "\0" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
