"""Who may touch a container or an account, as their access lists say it.

    X-Container-Read: .r:*,.rlistings,acct:joe ──clean_acl()──▶ stored ──ContainerAcl.parse()──▶ admits(...)
    X-Account-Access-Control: {"read-only": ["joe"]} ──account_acl_fault()──▶ stored ──AccountAcl.parse()──▶

Both grammars are OpenStack Swift's, because the lists are stored in the containers and accounts that
both of us serve. An element that is not understood never widens access.

It does not know tokens, requests, or which right a request needs: proxy/middleware/authorization.py asks.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

REFERRER_WORDS = frozenset({".r", ".ref", ".referer", ".referrer"})
LISTINGS_WORD = ".rlistings"
ACCOUNT_ACL_KEYS = ("admin", "read-write", "read-only")
BLANKS = " \t\r\n"  # Not all white space: in a WSGI string, a byte of a UTF-8 letter may look like some.
_REMEMBERED_ACLS = 4096  # Parsed lists kept per process: busy containers repeat, and a list is short.


def clean_acl(name: str, value: str) -> str:
    """Return the list of header `name` in its stored form; ValueError says what is wrong with it.

    Spaces and empty elements go, `.referrer` becomes `.r`, `*.host` becomes `.host`.
    """
    elements = (element.strip(BLANKS) for element in value.split(","))
    may_refer = "write" not in name.lower()
    return ",".join(_clean_element(element, may_refer=may_refer) for element in elements if element)


def _clean_element(element: str, *, may_refer: bool) -> str:
    """Return one element cleaned; a group is left as it is."""
    word, colon, host = (part.strip(BLANKS) for part in element.partition(":"))
    if not colon or not word.startswith("."):
        return element
    if word not in REFERRER_WORDS:
        raise ValueError(f"Unknown designator {word!r} in ACL: {element!r}")
    if not may_refer:
        raise ValueError(f"Referrers not allowed in write ACL: {element!r}")
    minus = "-" if host.startswith("-") else ""
    host = host.removeprefix("-").strip(BLANKS)
    if host != "*":
        host = host.removeprefix("*").strip(BLANKS)
    if host in ("", "."):
        raise ValueError(f"No host/domain value after referrer designation in ACL: {element!r}")
    return f".r:{minus}{host}"


@dataclass(frozen=True, slots=True)
class ContainerAcl:
    """A container's read or write list: groups, and referrer rules in the order they were given."""

    groups: frozenset[str] = frozenset()
    referrers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, stored: str | None) -> ContainerAcl:
        """Read a stored list; anything in it that names nobody admits nobody."""
        return _parse_container_acl(stored) if stored else NOBODY

    def admits_group(self, groups: Iterable[str]) -> bool:
        """Say whether one of the caller's groups is on the list."""
        return not self.groups.isdisjoint(groups)

    def admits_referrer(self, referrer: str | None, *, listing: bool) -> bool:
        """Say whether anybody coming from `referrer` may read an object (or, with .rlistings, the list)."""
        if not self.referrers or (listing and LISTINGS_WORD not in self.groups):
            return False
        host = _host_of(referrer)
        admitted = False
        for rule in self.referrers:
            negated = rule.startswith("-")
            if _host_matches(host, rule[1:] if negated else rule, wildcard=not negated):
                admitted = not negated
        return admitted


NOBODY = ContainerAcl()


@functools.lru_cache(_REMEMBERED_ACLS)
def _parse_container_acl(stored: str) -> ContainerAcl:
    """Split a stored list; group names are percent-decoded, as Swift does."""
    elements = [element.strip(BLANKS) for element in stored.split(",")]
    return ContainerAcl(
        groups=frozenset(unquote(e) for e in elements if e and not e.startswith(".r:")),
        referrers=tuple(e.removeprefix(".r:") for e in elements if e.startswith(".r:")),
    )


def _host_of(referrer: str | None) -> str:
    """Return the host a Referer header names; what cannot be read is `unknown`, which only `*` matches."""
    try:
        return urlsplit(referrer or "").hostname or "unknown"
    except ValueError:
        return "unknown"


def _host_matches(host: str, rule: str, *, wildcard: bool) -> bool:
    """Say whether a host falls under a rule: itself, `.domain`, or everything."""
    if rule == "*":
        return wildcard
    return host == rule or (rule.startswith(".") and host.endswith(rule))


@dataclass(frozen=True, slots=True)
class AccountAcl:
    """An account's three lists of groups."""

    admin: frozenset[str] = frozenset()
    read_write: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, stored: str | None) -> AccountAcl | None:
        """Read the stored JSON; None when there is no list, nobody on it, or it is not a list of ours."""
        if not stored or account_acl_fault(stored) is not None:
            return None
        lists = json.loads(stored)
        acl = cls(*(frozenset(lists.get(key, ())) for key in ACCOUNT_ACL_KEYS))
        return acl if acl.admin or acl.read_write or acl.read_only else None


def account_acl_fault(text: str) -> str | None:
    """Say what is wrong with an X-Account-Access-Control value, or None when it can be stored.

    The empty string takes all access away again.
    """
    if not text:
        return None
    try:
        lists = json.loads(text)
    except (ValueError, RecursionError):
        return f"Syntax error in input ({text!r})"
    if not isinstance(lists, dict):
        return f"Syntax error in input ({text!r})"
    for key, members in lists.items():
        if key not in ACCOUNT_ACL_KEYS:
            return f"Key {json.dumps(key)} not recognized"
        if not isinstance(members, list):
            return f"Value for key {json.dumps(key)} must be a list"
        if not all(isinstance(member, str) for member in members):
            return f"Elements of {json.dumps(key)} list must be strings"
    return None
