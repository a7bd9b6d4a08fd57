"""The documents that a bucket may have: what each is called and must say, what is answered without it.

    subresource ──KINDS──▶ Kind(root, missing, check, …) ──check(node)──▶ S3Error, or it may be kept

Pure. Keeping them is keeping.py's; obeying them is for cors.py, lifecycle.py, locks.py and judging.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from .. import tagging
from ..access_logging import destination
from ..errors import S3Error
from ..xml import Element, Node, element
from . import cors, encryption, lifecycle, public_access, reading, website

BUCKET_TAGS_MAX = 50
OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")


def _as_it_is(root: Node) -> Node:
    return root


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document."""

    word: str
    """The subresource."""
    root: str
    check: Callable[[Node], None]
    missing: str = ""
    """The error where there is none."""
    empty: Element | None = None
    """What is answered where there is none, if that is no error."""
    complete: Callable[[Node], Node] = _as_it_is
    """What is kept, where that is more than what was sent."""
    header: str = ""
    """A header that belongs to it; Terraform wants it back."""
    header_values: tuple[str, ...] = ()
    """What that may say; the first one where nothing is said."""
    put_status: int = 200
    may_delete: bool = True

    @property
    def name(self) -> str:
        """Return its name among the container's system metadata."""
        return self.word.lower()


def _check_cors(root: Node) -> None:
    cors.rules_of(root)


def _check_lifecycle(root: Node) -> None:
    lifecycle.rules_of(root)


def _with_ids(root: Node) -> Node:
    """Give a name to each rule that has none, as AWS does."""
    for rule in root.all("Rule"):
        if not rule.value("ID"):
            rule.children = [child for child in rule.children if child.tag != "ID"]
            rule.children.insert(0, Node("ID", uuid4().hex))
    return root


def _with_all_flags(root: Node) -> Node:
    """Say of each flag of a public access block whether it is set."""
    missing = [flag for flag in public_access.BLOCKS if root.find(flag) is None]
    root.children += [Node(flag, "false") for flag in missing]
    return root


def _check_tagging(root: Node) -> None:
    tagging.of_document(root, tags_max=BUCKET_TAGS_MAX)


def _check_website(root: Node) -> None:
    website.check(root)


def _check_ownership(root: Node) -> None:
    reading.only(root, ("Rule",), once=("Rule",))
    rule = reading.needed(root, "Rule")
    reading.only(rule, ("ObjectOwnership",), once=("ObjectOwnership",))
    reading.one_of(rule.value("ObjectOwnership"), OWNERSHIPS, "ObjectOwnership")


def _check_payer(root: Node) -> None:
    if reading.one_of(root.value("Payer"), ("BucketOwner", "Requester"), "Payer") == "Requester":
        raise S3Error("NotImplemented", "Nobody pays here, so requesters cannot.")


def _check_nothing_asked(root: Node) -> None:
    """Accept what asks for nothing, which is what there is."""
    if root.children:
        raise S3Error("NotImplemented", f"A {root.tag} that asks for something is not implemented.")


_ALL = (
    Kind("cors", "CORSConfiguration", _check_cors, "NoSuchCORSConfiguration"),
    Kind(
        "lifecycle",
        "LifecycleConfiguration",
        _check_lifecycle,
        "NoSuchLifecycleConfiguration",
        complete=_with_ids,
        header="x-amz-transition-default-minimum-object-size",
        header_values=("all_storage_classes_128K", "varies_by_storage_class"),
    ),
    Kind("tagging", "Tagging", _check_tagging, "NoSuchTagSet", put_status=204),
    Kind("website", "WebsiteConfiguration", _check_website, "NoSuchWebsiteConfiguration"),
    Kind(
        "publicAccessBlock",
        "PublicAccessBlockConfiguration",
        public_access.check,
        "NoSuchPublicAccessBlockConfiguration",
        complete=_with_all_flags,
    ),
    Kind("ownershipControls", "OwnershipControls", _check_ownership, "OwnershipControlsNotFoundError"),
    Kind(
        "encryption",
        "ServerSideEncryptionConfiguration",
        encryption.check,
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    Kind(
        "logging",
        "BucketLoggingStatus",
        destination.check,
        empty=element("BucketLoggingStatus"),
        may_delete=False,
    ),
    Kind(
        "requestPayment",
        "RequestPaymentConfiguration",
        _check_payer,
        empty=element("RequestPaymentConfiguration", element("Payer", "BucketOwner")),
        may_delete=False,
    ),
)
KINDS: Mapping[str, Kind] = {kind.word: kind for kind in _ALL}
EMPTY: Mapping[str, Element] = {
    "accelerate": element("AccelerateConfiguration"),
    "analytics": element("ListBucketAnalyticsConfigurationResult", element("IsTruncated", "false")),
    "intelligent-tiering": element(
        "ListBucketIntelligentTieringConfigurationsOutput", element("IsTruncated", "false")
    ),
    "inventory": element("ListInventoryConfigurationsResult", element("IsTruncated", "false")),
    "metrics": element("ListMetricsConfigurationsResult", element("IsTruncated", "false")),
}
"""What is answered to those who ask for what no bucket has."""
ABSENT: Mapping[str, str] = {"replication": "ReplicationConfigurationNotFoundError"}
"""The error that tells them."""
