"""S3's grants and a container's lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration import acl
from apus.proxy.middleware.s3.configuration.acl import ALL_USERS, KNOWN_USERS, Grant
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import element, read, render

OWNER = "AUTH_test"
NAMES = st.sampled_from(["test:joe", "test2:ann", "AUTH_other", ALL_USERS, KNOWN_USERS])
GRANTS = st.lists(st.builds(Grant, NAMES, st.sampled_from(acl.PERMISSIONS)), max_size=6)


def through(grants: list[Grant]) -> list[Grant]:
    """Return grants after they have been a container's."""
    lists = acl.lists_of(grants, OWNER)
    return acl.grants_of(
        lists["X-Container-Read"], lists["X-Container-Write"], acl.kept(grants, OWNER), OWNER
    )


@pytest.mark.parametrize("name", acl.CANNED)
def test_canned_lists_come_back(name: str) -> None:
    """What the owner has set is what is shown."""
    grants = acl.canned(name, OWNER)
    assert set(through(grants)) == set(grants)


@given(GRANTS)
def test_nobody_gains_by_the_way_through_the_container(grants: list[Grant]) -> None:
    """Everybody may afterwards what they might before, and no more; everybody's write is for everybody."""
    found = through(grants)
    for who in ("test:joe", "test2:ann", "AUTH_other", ALL_USERS):
        for permission in ("READ", "WRITE", "READ_ACP", "WRITE_ACP"):
            before = any(grant.grantee == who and grant.gives(permission) for grant in grants)
            after = any(grant.grantee == who and grant.gives(permission) for grant in found)
            assert before == after, (who, permission)


def test_what_a_swift_client_takes_away_is_gone() -> None:
    """The lists rule; what was kept beside them counts only where they have no word."""
    grants = [*acl.canned("public-read-write", OWNER), Grant("test:joe", "FULL_CONTROL")]
    found = acl.grants_of(None, None, acl.kept(grants, OWNER), OWNER)
    assert set(found) == {Grant(OWNER, "FULL_CONTROL"), Grant(ALL_USERS, "WRITE")}
    found = acl.grants_of(".r:*,test2:ann", None, None, OWNER)
    assert set(found) == {
        Grant(OWNER, "FULL_CONTROL"),
        Grant(ALL_USERS, "READ"),
        Grant("test2:ann", "READ"),
    }


def test_who_is_admitted_beyond_lists() -> None:
    """Known users, everybody who writes, and readers of the list itself."""
    kept = acl.beyond_lists(acl.kept([Grant(KNOWN_USERS, "READ"), Grant("test:joe", "READ_ACP")], OWNER))
    assert acl.admits(kept, "READ", frozenset({"anybody"}))
    assert not acl.admits(kept, "READ", frozenset())
    assert not acl.admits(kept, "WRITE", frozenset({"anybody"}))
    assert acl.admits(kept, "READ_ACP", frozenset({"test:joe"}))
    assert not acl.admits(kept, "READ_ACP", frozenset({"test:ann"}))
    everybody = acl.beyond_lists(acl.kept(acl.canned("public-read-write", OWNER), OWNER))
    assert acl.admits(everybody, "WRITE", frozenset())
    assert not acl.admits(everybody, "WRITE_ACP", frozenset())


@given(st.text(max_size=30))
def test_garbage_grants_nothing(text: str) -> None:
    """What cannot be read admits nobody."""
    assert not acl.admits(acl.beyond_lists(text), "READ", frozenset({"a"}))
    assert not acl.admits(acl.of_object({acl.OF_OBJECT: text}), "READ", frozenset({"a"}))


def test_an_objects_list_counts_before_stocks() -> None:
    """Stock Swift says at the upload what ours may say anew."""
    public, closed = (acl.kept(acl.canned(name, OWNER), OWNER) for name in ("public-read", "private"))
    stranger = frozenset[str]()
    assert acl.admits(acl.of_object({acl.OF_STOCKS_OBJECT: public}), "READ", stranger)
    both = {acl.OF_STOCKS_OBJECT: public, acl.OF_OBJECT: closed}
    assert not acl.admits(acl.of_object(both), "READ", stranger)
    assert not acl.of_object({})


def test_a_list_without_strangers() -> None:
    """What is everybody's goes, and the rest stays."""
    assert acl.without_strangers(".r:*,.rlistings,test:joe") == "test:joe"
    assert acl.without_strangers(".r:*") is None
    assert acl.without_strangers(None) is None


def test_the_document_is_read_as_it_is_shown() -> None:
    """Terraform sends back what it was given."""
    grants = [*acl.canned("authenticated-read", OWNER), Grant("test:joe", "WRITE")]
    owner = element("Owner", element("ID", OWNER))
    assert acl.of_document(read(render(acl.document(grants, owner))), OWNER) == grants


def policy(grantee: str, permission: str = "READ", owner: str = OWNER) -> bytes:
    """Return a document with one grant."""
    return (
        f"<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant>"
        f"<Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant></AccessControlList>"
        "</AccessControlPolicy>"
    ).encode()


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<AccessControlPolicy/>", "MalformedACLError"),
        (policy("<ID>x</ID>", "EAT"), "MalformedACLError"),
        (policy("<ID/>"), "MalformedACLError"),
        (policy("<ID>AllUsers</ID>"), "MalformedACLError"),
        (policy("<URI>http://x</URI>"), "InvalidArgument"),
        (policy("<EmailAddress>a@b</EmailAddress>"), "UnresolvableGrantByEmailAddress"),
        (policy("<ID>x</ID>", owner="else"), "AccessDenied"),
    ],
)
def test_what_is_no_list(document: bytes, code: str) -> None:
    """A user who is called like a group is not that group."""
    with pytest.raises(S3Error) as caught:
        acl.of_document(read(document), OWNER)
    assert caught.value.code == code


def test_headers() -> None:
    """Each names grantees of one permission."""
    said = {"READ": 'id="test:joe", uri="http://acs.amazonaws.com/groups/global/AllUsers"', "WRITE": "id=x"}
    assert acl.of_headers(said) == [
        Grant("test:joe", "READ"),
        Grant(ALL_USERS, "READ"),
        Grant("x", "WRITE"),
    ]
    assert acl.of_headers({}) is None
    for wrong in ("joe", "name=joe", "uri=http://x", "id="):
        with pytest.raises(S3Error):
            acl.of_headers({"READ": wrong})
    with pytest.raises(S3Error):
        acl.canned("public", OWNER)
