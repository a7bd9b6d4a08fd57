"""Documents of every kind, well-formed and otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration import acl, locks
from apus.proxy.middleware.s3.configuration.kinds import KINDS
from apus.proxy.middleware.s3.configuration.reading import rewritten
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import Node, read, render

TAGS = st.sampled_from(
    [
        "ID",
        "Rule",
        "Status",
        "Filter",
        "Prefix",
        "And",
        "Tag",
        "Key",
        "Value",
        "Expiration",
        "Days",
        "Date",
        "ExpiredObjectDeleteMarker",
        "NoncurrentVersionExpiration",
        "NoncurrentDays",
        "NewerNoncurrentVersions",
        "AbortIncompleteMultipartUpload",
        "DaysAfterInitiation",
        "ObjectSizeGreaterThan",
        "CORSRule",
        "AllowedOrigin",
        "AllowedMethod",
        "AllowedHeader",
        "MaxAgeSeconds",
        "TagSet",
        "IndexDocument",
        "Suffix",
        "ErrorDocument",
        "BlockPublicAcls",
        "ObjectOwnership",
        "SSEAlgorithm",
        "Payer",
        "Mode",
        "Years",
        "ApplyServerSideEncryptionByDefault",
        "DefaultRetention",
        "ObjectLockEnabled",
        "Owner",
        "AccessControlList",
        "Grant",
        "Grantee",
        "Permission",
        "URI",
    ]
)
TEXTS = st.sampled_from(
    [
        "",
        "1",
        "-1",
        "0",
        "x",
        "Enabled",
        "true",
        "*",
        "GET",
        "2026-01-01",
        "é",
        "9" * 30,
        "GOVERNANCE",
        "READ",
    ]
)
NODES = st.recursive(
    st.builds(Node, TAGS, TEXTS),
    lambda inner: st.builds(Node, TAGS, TEXTS, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.parametrize("word", KINDS)
@given(children=st.lists(NODES, max_size=3))
def test_nothing_but_an_error_of_s3_is_raised(word: str, children: list[Node]) -> None:
    """Whatever is sent; what is taken can be kept and read again."""
    kind = KINDS[word]
    root = Node(kind.root, "", children)
    try:
        kind.check(root)
    except S3Error:
        return
    text = str(rewritten(kind.complete(root)))
    kind.check(read(text.encode()))


@given(children=st.lists(NODES, max_size=3))
def test_locks_and_lists_too(children: list[Node]) -> None:
    """They are no kinds of their own."""
    for check in (
        lambda: locks.check_configuration(Node("ObjectLockConfiguration", "", children)),
        lambda: locks.hold_of(Node("LegalHold", "", children)),
        lambda: acl.of_document(Node("AccessControlPolicy", "", children), "a"),
    ):
        try:
            check()
        except S3Error:
            pass


@pytest.mark.parametrize(
    "text",
    ["<Tagging><TagSet/></Tagging>", "<a>\n  <b>1 &lt; 2</b>\n  <c/>\n</a>", "<a>text</a>"],
)
def test_a_document_is_written_as_it_was_read(text: str) -> None:
    """But for the blanks between elements."""
    node = read(text.encode())
    again = read(render(rewritten(node)))
    assert again == node
