"""Who may do what: container ACLs, referrers, account ACLs, and the reseller admin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from store import Client, Store


@pytest.fixture
def shared(client: Client) -> Iterator[str]:
    """A container with one object."""
    with client.container() as name:
        client.put(name, "o", body=b"secret")
        yield name


def other(store: Store) -> Client:
    """Somebody else's token on test's account."""
    return store.client("test2:tester2")


def roleless(store: Store) -> Client:
    """A user of the account without a role."""
    return store.client("test:tester3")


def anonymous(store: Store) -> Client:
    """No token."""
    return store.client(None)


def allow(client: Client, container: str, **acls: str) -> None:
    headers = {f"X-Container-{kind.title()}": acl for kind, acl in acls.items()}
    assert client.post(container, headers=headers).status == 204


def test_trap_35_closed_by_default(store: Store, shared: str) -> None:
    """403 for users without a right to it, 401 for nobody, existing or not."""
    for name in (shared, "no-such-container"):
        for someone, status in ((other(store), 403), (roleless(store), 403), (anonymous(store), 401)):
            assert someone.get(name).status == status
            assert someone.get(name, "o").status == status
            assert someone.put(name, "new", body=b"x").status == status
            assert someone.delete(name, "o").status == status


@pytest.mark.parametrize("acl", ["test2:tester2", "test2", " test2:tester2 , nobody:else "])
def test_reading_may_be_granted(store: Store, client: Client, shared: str, acl: str) -> None:
    """To a user or to everyone of an account; listing comes with it, writing does not."""
    allow(client, shared, read=acl)
    assert other(store).get(shared, "o").body == b"secret"
    assert other(store).get(shared).status == 200
    assert other(store).head(shared).status == 204
    assert other(store).put(shared, "new", body=b"x").status == 403
    assert other(store).post(shared, headers={"X-Container-Meta-A": "1"}).status == 403
    assert roleless(store).get(shared, "o").status == 403


def test_writing_may_be_granted(store: Store, client: Client, shared: str) -> None:
    """Objects come and go, but reading needs its own grant, and the container is not theirs."""
    allow(client, shared, write="test:tester3")
    user = roleless(store)
    assert user.put(shared, "new", body=b"x").status == 201
    assert user.post(shared, "new", headers={"X-Object-Meta-A": "1"}).status == 202
    assert user.delete(shared, "new").status == 204
    assert user.get(shared, "o").status == 403
    assert user.delete(shared).status == 403
    assert user.post(shared, headers={"X-Container-Write": "*:*"}).status == 403


def test_trap_35_the_world_may_read(store: Store, client: Client, shared: str) -> None:
    """.r:* opens the objects to everybody; the listing only with .rlistings."""
    allow(client, shared, read=".r:*")
    assert anonymous(store).get(shared, "o").body == b"secret"
    assert anonymous(store).head(shared, "o").status == 200
    assert anonymous(store).get(shared).status == 401
    allow(client, shared, read=".r:*,.rlistings")
    assert anonymous(store).get(shared).lines() == ["o"]
    assert anonymous(store).put(shared, "new", body=b"x").status == 401
    assert anonymous(store).delete(shared, "o").status == 401


def test_trap_35_referrers_are_let_in_and_kept_out(store: Store, client: Client, shared: str) -> None:
    """By host and by domain; a minus takes back."""
    allow(client, shared, read=".r:.example.com,.r:-thief.example.com")
    visitor = anonymous(store)

    def status(referrer: str) -> int:
        return visitor.get(shared, "o", headers={"Referer": referrer}).status

    assert status("http://www.example.com/page") == 200
    assert status("http://thief.example.com/page") == 401
    assert status("http://example.org/") == 401
    assert visitor.get(shared, "o").status == 401


def test_trap_35_a_write_acl_takes_no_referrers(client: Client, shared: str) -> None:
    """400: anybody can claim to come from anywhere."""
    assert client.post(shared, headers={"X-Container-Write": ".r:*"}).status == 400


def test_trap_28_acls_are_tidied_and_shown_to_the_owner_only(
    store: Store, client: Client, shared: str
) -> None:
    """Spaces go; who may merely read does not learn who else may."""
    allow(client, shared, read=" test2:tester2 , .r:* ", write="test:tester3")
    headers = client.head(shared).headers
    assert headers["x-container-read"] == "test2:tester2,.r:*"
    assert headers["x-container-write"] == "test:tester3"
    seen = other(store).head(shared).headers
    assert not {"x-container-read", "x-container-write"} & seen.keys()


def test_a_grant_can_be_taken_back(store: Store, client: Client, shared: str) -> None:
    """By an empty ACL as by X-Remove."""
    allow(client, shared, read="test2:tester2")
    assert other(store).get(shared, "o").status == 200
    assert client.post(shared, headers={"X-Remove-Container-Read": "x"}).status == 204
    assert other(store).get(shared, "o").status == 403


def test_the_reseller_admin_may_everything(store: Store, shared: str) -> None:
    """On any account."""
    admin = store.client("admin:admin")
    assert admin.get(shared, "o").body == b"secret"
    assert admin.put(shared, "by admin", body=b"x").status == 201


@pytest.mark.parametrize(
    ("level", "reads", "writes", "administers"),
    [("read-only", 200, 403, 403), ("read-write", 200, 201, 403), ("admin", 200, 201, 204)],
)
def test_trap_35_an_account_acl_grants_levels(
    store: Store, client: Client, shared: str, level: str, reads: int, writes: int, administers: int
) -> None:
    """read-only, read-write and admin, each with everything of the one before."""
    acl = json.dumps({level: ["test2:tester2"]})
    assert client.post(headers={"X-Account-Access-Control": acl}).status == 204
    try:
        friend = other(store)
        assert friend.get(shared, "o").status == reads
        assert friend.put(shared, "new", body=b"x").status == writes
        assert friend.post(headers={"X-Account-Meta-Friend": "1"}).status == administers
    finally:
        client.post(headers={"X-Account-Access-Control": "", "X-Remove-Account-Meta-Friend": "x"})


@pytest.mark.parametrize("acl", ["no json", '{"unknown": ["a:b"]}', '{"admin": "a:b"}', "[]"])
def test_trap_35_an_account_acl_that_is_none_is_refused(client: Client, acl: str) -> None:
    """400, and nothing changes."""
    assert client.post(headers={"X-Account-Access-Control": acl}).status == 400
    assert "x-account-access-control" not in client.head().headers


def test_browsers_of_named_origins_may_read(store: Store, client: Client, shared: str) -> None:
    """CORS: the preflight needs no token, and names what is allowed."""
    allow(client, shared, read=".r:*")
    client.post(shared, headers={"X-Container-Meta-Access-Control-Allow-Origin": "http://app.example.com"})
    visitor = anonymous(store)
    ask = {"Origin": "http://app.example.com", "Access-Control-Request-Method": "GET"}
    preflight = visitor.request("OPTIONS", shared, "o", headers=ask)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "http://app.example.com"
    assert "GET" in preflight.headers["access-control-allow-methods"]
    copying = visitor.request(
        "OPTIONS", shared, "o", headers={**ask, "Access-Control-Request-Method": "COPY"}
    )
    assert copying.status == 200
    assert "COPY" in copying.headers["access-control-allow-methods"]
    unknown = visitor.request(
        "OPTIONS", shared, "o", headers={**ask, "Access-Control-Request-Method": "BREW"}
    )
    assert unknown.status == 401
    reply = visitor.get(shared, "o", headers={"Origin": "http://app.example.com"})
    assert reply.headers["access-control-allow-origin"] == "http://app.example.com"
    stranger = visitor.request("OPTIONS", shared, "o", headers={**ask, "Origin": "http://evil.example.org"})
    assert stranger.status == 401
