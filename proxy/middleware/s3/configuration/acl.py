"""Access lists: S3's grants, and what they are as a container's lists.

    x-amz-acl, x-amz-grant-*, <AccessControlPolicy> ──▶ Grant, … ──lists_of()──▶ X-Container-Read, -Write
    the container's lists + what they cannot say, kept as JSON in stock Swift's form ──grants_of()──▶ Grant, …

A container's lists rule both doors, so what a Swift client takes out of them S3 shows no more. They cannot
say "everybody who is known", "everybody may write", or who may read and write the list itself: these grants
are kept beside them, and so are those of single objects. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from ....acl import LISTINGS_WORD, ContainerAcl
from ..errors import S3Error
from ..xml import SCHEMA_INSTANCE, Element, Node, element

PERMISSIONS = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")
GRANTS_MAX = 100
ALL_USERS, KNOWN_USERS, LOG_DELIVERY = "AllUsers", "AuthenticatedUsers", "LogDelivery"
GROUPS: Mapping[str, str] = {
    ALL_USERS: "http://acs.amazonaws.com/groups/global/AllUsers",
    KNOWN_USERS: "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    LOG_DELIVERY: "http://acs.amazonaws.com/groups/s3/LogDelivery",
}
_GROUP_OF_URI = {uri: group for group, uri in GROUPS.items()}
CANNED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((KNOWN_USERS, "READ"),),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
    "aws-exec-read": (),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
}
"""What each canned list grants beside the owner's full control."""
OF_OBJECT = "x-object-transient-sysmeta-s3api-acl"
"""Where an object keeps its list, in stock's form: beside its metadata, so that it can change alone."""
OF_STOCKS_OBJECT = "x-object-sysmeta-s3api-acl"
"""Where stock Swift keeps it, which copies an object to change its list; ours counts before it."""
_PUBLIC = ".r:*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission of somebody's: a user's id, or a group's name."""

    grantee: str
    permission: str

    @property
    def is_of_group(self) -> bool:
        """Tell whether it is a group's."""
        return self.grantee in GROUPS

    @property
    def is_public(self) -> bool:
        """Tell whether it is everybody's."""
        return self.grantee in (ALL_USERS, KNOWN_USERS)

    def gives(self, permission: str) -> bool:
        """Tell whether it includes this permission."""
        return self.permission in (permission, "FULL_CONTROL")


# --- from what clients say -------------------------------------------------------------------


def canned(name: str, owner: str) -> list[Grant]:
    """Return the grants of a canned list.

    Raises:
        S3Error: InvalidArgument.
    """
    if name not in CANNED:
        raise S3Error("InvalidArgument", ArgumentName="x-amz-acl", ArgumentValue=name)
    return [Grant(owner, "FULL_CONTROL"), *(Grant(*pair) for pair in CANNED[name])]


def of_headers(said: Mapping[str, str]) -> list[Grant] | None:
    """Return the grants of x-amz-grant-* headers, by permission; None where there are none.

    Raises:
        S3Error: InvalidArgument.
    """
    grants = []
    for permission, text in said.items():
        for piece in text.split(","):
            kind, _, value = piece.strip().partition("=")
            value = value.strip().strip("\"'")
            grants.append(Grant(_grantee(kind.strip().lower(), value), permission))
    return grants or None


def _grantee(kind: str, value: str) -> str:
    if kind == "id" and value:
        return value
    if kind == "uri" and value in _GROUP_OF_URI:
        return _GROUP_OF_URI[value]
    if kind == "emailaddress":
        raise S3Error("UnresolvableGrantByEmailAddress")
    raise S3Error("InvalidArgument", "A grantee is id=, uri= or emailAddress=.", ArgumentValue=value)


def of_document(root: Node, owner: str) -> list[Grant]:
    """Return the grants of an AccessControlPolicy.

    Raises:
        S3Error: MalformedACLError, or AccessDenied where it names another owner.
    """
    named, listed = root.find("Owner"), root.find("AccessControlList")
    if named is None or listed is None:
        raise S3Error("MalformedACLError")
    if named.value("ID") != owner:
        raise S3Error("AccessDenied", "The owner of a bucket cannot be changed.")
    nodes = listed.all("Grant")
    if len(nodes) > GRANTS_MAX or len(nodes) < len(listed.children):
        raise S3Error("MalformedACLError")
    return [_grant(node) for node in nodes]


def _grant(node: Node) -> Grant:
    permission, grantee = node.value("Permission"), node.find("Grantee")
    if permission not in PERMISSIONS or grantee is None:
        raise S3Error("MalformedACLError")
    assert permission is not None
    if grantee.find("EmailAddress") is not None:
        raise S3Error("UnresolvableGrantByEmailAddress")
    uri, name = grantee.value("URI"), grantee.value("ID")
    if uri is not None and uri not in _GROUP_OF_URI:
        raise S3Error("InvalidArgument", "Invalid group uri", ArgumentName="uri", ArgumentValue=uri)
    found = name if uri is None else _GROUP_OF_URI[uri]
    if not found or (uri is None and found in GROUPS):
        raise S3Error("MalformedACLError")
    return Grant(found, permission)


# --- as the container has them ---------------------------------------------------------------


def lists_of(grants: Iterable[Grant], owner: str) -> dict[str, str]:
    """Return the container's lists that say as much of the grants as lists can; the owner needs none."""
    readers, writers = [], []
    for grant in grants:
        if grant.grantee == ALL_USERS and grant.gives("READ"):
            readers += [_PUBLIC, LISTINGS_WORD]
        if grant.is_of_group or grant.grantee == owner:
            continue
        name = quote(grant.grantee, safe=":@*")
        if grant.gives("READ"):
            readers.append(name)
        if grant.gives("WRITE"):
            writers.append(name)
    return {
        "X-Container-Read": ",".join(dict.fromkeys(readers)),
        "X-Container-Write": ",".join(dict.fromkeys(writers)),
    }


def kept(grants: Iterable[Grant], owner: str) -> str:
    """Return the grants as stock Swift keeps them."""
    rows = [{"Permission": grant.permission, "Grantee": grant.grantee} for grant in grants]
    return json.dumps({"Owner": owner, "Grant": rows}, separators=(",", ":"))


@lru_cache(maxsize=1024)
def kept_grants(text: str) -> Sequence[Grant]:
    """Return grants that were kept; of what cannot be read, none."""
    try:
        rows = json.loads(text)["Grant"]
        grants = [Grant(row["Grantee"], row["Permission"]) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return [grant for grant in grants if grant.permission in PERMISSIONS and isinstance(grant.grantee, str)]


def is_beyond_lists(grant: Grant) -> bool:
    """Tell whether a container's lists have no word for any of it."""
    if grant.permission.endswith("_ACP"):
        return True
    return grant.is_of_group and not (grant.grantee == ALL_USERS and grant.permission == "READ")


def grants_of(read: str | None, write: str | None, stored: str | None, owner: str) -> list[Grant]:
    """Return the grants of a container; what was kept counts as far as its lists bear it out."""
    readers, writers = ContainerAcl.parse(read), ContainerAcl.parse(write)
    known = list(kept_grants(stored)) if stored else []
    found = [Grant(owner, "FULL_CONTROL")]
    full = {grant.grantee for grant in known if grant.permission == "FULL_CONTROL" and not grant.is_of_group}
    full &= readers.groups & writers.groups
    found += [Grant(name, "FULL_CONTROL") for name in sorted(full)]
    if readers.admits_referrer(None, listing=False):
        found.append(Grant(ALL_USERS, "READ"))
    found += [Grant(name, "READ") for name in sorted(_users(readers) - full)]
    found += [Grant(name, "WRITE") for name in sorted(_users(writers) - full)]
    found += [grant for grant in known if is_beyond_lists(grant) and grant.grantee != owner]
    return found


def _users(lists: ContainerAcl) -> frozenset[str]:
    return frozenset(name for name in lists.groups if not name.startswith("."))


def beyond_lists(stored: str | None) -> list[Grant]:
    """Return the grants of a bucket that the container's lists have no word for."""
    return [grant for grant in kept_grants(stored) if is_beyond_lists(grant)] if stored else []


def of_object(headers: Mapping[str, str]) -> Sequence[Grant]:
    """Return the grants of an object's own list, whose headers have names in lower case."""
    stored = headers.get(OF_OBJECT) or headers.get(OF_STOCKS_OBJECT)
    return kept_grants(stored) if stored else ()


def admits(grants: Iterable[Grant], permission: str, names: frozenset[str]) -> bool:
    """Tell whether one of the grants gives somebody a permission."""
    return any(grant.gives(permission) and _is_for(grant, names) for grant in grants)


def _is_for(grant: Grant, names: frozenset[str]) -> bool:
    if grant.grantee == ALL_USERS:
        return True
    if grant.grantee == KNOWN_USERS:
        return bool(names)
    return grant.grantee not in GROUPS and grant.grantee in names


def without_strangers(stored: str | None) -> str | None:
    """Return a container's list without what it gives everybody."""
    if not stored or ".r" not in stored:
        return stored
    pieces = [piece.strip() for piece in stored.split(",")]
    return ",".join(piece for piece in pieces if not piece.startswith(".r")) or None


# --- as it is shown --------------------------------------------------------------------------


def document(grants: Iterable[Grant], owner: Element) -> Element:
    """Return the AccessControlPolicy that says it."""
    return element("AccessControlPolicy", owner, element("AccessControlList", *map(_shown, grants)))


def _shown(grant: Grant) -> Element:
    if grant.is_of_group:
        kind, said = "Group", [element("URI", GROUPS[grant.grantee])]
    else:
        kind = "CanonicalUser"
        said = [element("ID", grant.grantee), element("DisplayName", grant.grantee)]
    attributes = {"xmlns:xsi": SCHEMA_INSTANCE, "xsi:type": kind}
    grantee = element("Grantee", *said, **attributes)
    return element("Grant", grantee, element("Permission", grant.permission))
