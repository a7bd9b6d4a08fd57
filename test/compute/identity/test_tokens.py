"""Tokens as the service makes, shows and ends them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from keystone_world import PASSWORDS, Realm, project
from store import Reply

from apus.common.identity import TokenRefused, Verifier
from apus.common.identity.notice_board import FolderBoard


def by_password(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "domain": {"name": "Default"}, "password": password}
    return {"methods": ["password"], "password": {"user": user}}


def by_token(token: str) -> dict[str, Any]:
    return {"methods": ["token"], "token": {"id": token}}


def shown(realm: Realm, token: str, by: str | None = None, query: str = "") -> Reply:
    return realm.call("GET", f"/v3/auth/tokens{query}", token=by or token, headers={"X-Subject-Token": token})


def test_discovery(realm: Realm) -> None:
    """The versions are told to everybody, with 300 and 200."""
    listed = realm.call("GET", "/")
    assert listed.status == 300
    assert listed.json()["versions"]["values"][0]["id"].startswith("v3.")
    one = realm.call("GET", "/v3/")
    assert one.status == 200
    assert one.json()["version"]["links"][0]["href"].endswith("/v3/")


def test_a_token_says_who_and_where(realm: Realm) -> None:
    """A token for a project tells user, project, roles with what they imply, and where the services are."""
    reply = realm.ask_token(by_password("demo", PASSWORDS["demo"]), project("demo"))
    assert reply.status == 201
    told = reply.json()["token"]
    assert told["user"]["name"] == "demo"
    assert told["project"]["domain"] == {"id": "default", "name": "Default"}
    assert {role["name"] for role in told["roles"]} == {"member", "reader", "swiftoperator"}
    urls = {point["url"] for service in told["catalog"] for point in service["endpoints"]}
    assert f"http://127.0.0.1:8080/v1/AUTH_{told['project']['id']}" in urls
    assert told["methods"] == ["password"]
    assert len(told["audit_ids"]) == 1


def test_every_service_can_check_it(realm: Realm) -> None:
    """The token needs nobody to be asked: keys and revocations lie in a folder."""
    verifier = Verifier(FolderBoard(realm.world.config.token_keys))
    token = realm.log_in("demo", project("demo"))
    assert verifier.verify(token).project_name == "demo"
    headers = {"X-Subject-Token": token}
    assert realm.call("DELETE", "/v3/auth/tokens", token=token, headers=headers).status == 204
    with pytest.raises(TokenRefused):
        verifier.verify(token)
    assert shown(realm, token, realm.admin).status == 404


def test_without_a_scope_the_default_project_counts(realm: Realm) -> None:
    """A user with a default project gets a token for it; one that asks for none gets none."""
    identity = by_password("demo", PASSWORDS["demo"])
    assert realm.ask_token(identity).json()["token"]["project"]["name"] == "demo"
    unscoped = realm.ask_token(identity, "unscoped").json()["token"]
    assert not {"project", "roles", "catalog"} & set(unscoped)


@pytest.mark.parametrize(
    ("scope", "roles"),
    [({"system": {"all": True}}, "system"), ({"domain": {"name": "Default"}}, "domain")],
)
def test_other_scopes(realm: Realm, scope: Any, roles: str) -> None:
    """Who has a role on the system or a domain gets a token for it; who has none gets 401."""
    told = realm.ask_token(by_password("admin", PASSWORDS["admin"]), scope).json()["token"]
    assert roles in told
    assert "admin" in {role["name"] for role in told["roles"]}
    assert realm.ask_token(by_password("demo", PASSWORDS["demo"]), scope).status == 401


@pytest.mark.parametrize(
    "identity",
    [
        by_password("demo", "wrong"),
        by_password("demo", ""),
        by_password("nobody", "x"),
        by_token("nonsense"),
        {"methods": ["external"], "external": {}},
        {"methods": ["password", "token"], **by_password("demo", PASSWORDS["demo"]), "token": {"id": "x"}}
        | {"methods": ["password", "token"]},
    ],
)
def test_whoever_shows_nothing_true_is_refused(realm: Realm, identity: Any) -> None:
    """All that is wrong is refused in the same words."""
    reply = realm.ask_token(identity, project("demo"))
    assert reply.status == 401
    assert reply.json()["error"]["message"] == "The request you have made requires authentication."


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"identity": {}},
        {"identity": {"methods": []}},
        {"identity": {"methods": ["password"]}},
        {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}},
        {"identity": by_password("demo", PASSWORDS["demo"]), "scope": {"system": True}},
        {"identity": by_password("demo", PASSWORDS["demo"]), "scope": {"project": {}}},
        {"identity": by_password("demo", PASSWORDS["demo"]), "scope": {"project": {}, "domain": {}}},
    ],
)
def test_a_malformed_request_is_told_so(realm: Realm, auth: Any) -> None:
    """What cannot be meant is a 400, not a 401 and not a 500."""
    assert realm.call("POST", "/v3/auth/tokens", {"auth": auth}).status == 400


def test_rescoping_never_prolongs(realm: Realm) -> None:
    """A token made of another ends with it, and gives no role that its user lacks."""
    first = realm.log_in("demo", "unscoped")
    realm.clock.ahead += 600
    try:
        second = realm.ask_token(by_token(first), project("demo"))
    finally:
        realm.clock.ahead = 0
    before = shown(realm, first).json()["token"]
    after = second.json()["token"]
    assert after["expires_at"] == before["expires_at"]
    assert after["methods"] == ["password", "token"]
    assert after["audit_ids"][1] == before["audit_ids"][0]
    assert realm.ask_token(by_token(first), project("admin")).status == 401


def test_a_token_ends(realm: Realm) -> None:
    """An expired token is good for nothing, not even for another one."""
    token = realm.log_in("demo", project("demo"))
    realm.clock.ahead += realm.world.config.token_seconds + 1
    try:
        assert realm.call("GET", "/v3/auth/projects", token=token).status == 401
        assert realm.ask_token(by_token(token), project("demo")).status == 401
    finally:
        realm.clock.ahead = 0


def test_what_a_token_is_good_for_is_told_to_few(realm: Realm) -> None:
    """Its owner, services and administrators may ask; others hear nothing."""
    token = realm.log_in("demo", project("demo"))
    service = realm.log_in("cloud", project("service"))
    stranger = realm.make("user", realm.admin, password="x")
    theirs = realm.log_in(stranger["name"], "unscoped")
    assert shown(realm, token).status == 200
    assert shown(realm, token, service).status == 200
    assert "catalog" not in shown(realm, token, service, "?nocatalog").json()["token"]
    assert shown(realm, token, theirs).status == 403
    assert shown(realm, "forged", theirs).status == 404
    assert shown(realm, "forged", service).status == 404
    head = realm.call("HEAD", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})
    assert (head.status, head.body) == (200, b"")
    ended = realm.call("DELETE", "/v3/auth/tokens", token=service, headers={"X-Subject-Token": token})
    assert ended.status == 403


def test_what_may_be_asked_for(realm: Realm) -> None:
    """/v3/auth/projects, domains, system and catalog tell what the caller has."""
    demo, admin = realm.log_in("demo", project("demo")), realm.admin
    assert [
        each["name"] for each in realm.call("GET", "/v3/auth/projects", token=demo).json()["projects"]
    ] == ["demo"]
    assert realm.call("GET", "/v3/auth/domains", token=demo).json()["domains"] == []
    assert realm.call("GET", "/v3/auth/system", token=demo).json()["system"] == []
    assert realm.call("GET", "/v3/auth/system", token=admin).json()["system"] == [{"all": True}]
    assert [each["id"] for each in realm.call("GET", "/v3/auth/domains", token=admin).json()["domains"]] == [
        "default"
    ]
    assert len(realm.call("GET", "/v3/auth/catalog", token=demo).json()["catalog"]) == 2


def test_keys_are_rotated_without_logging_anybody_out(realm: Realm) -> None:
    """A new key signs at once; a retired one's tokens are refused."""
    old = realm.log_in("demo", project("demo"))
    realm.world.keys.rotate()
    realm.world.publisher.publish()
    new = realm.log_in("demo", project("demo"))
    assert old.split(".")[0] != new.split(".")[0]
    assert shown(realm, old, new).status == 200
    assert realm.world.keys.retire(older_than_seconds=3600, now=time.time()) == []
    assert len(realm.world.keys.retire(older_than_seconds=0, now=time.time() + 1)) == 1
    realm.world.publisher.publish()
    assert realm.call("GET", "/v3/auth/projects", token=old).status == 401
    assert realm.call("GET", "/v3/auth/projects", token=new).status == 200


def test_nothing_new_is_not_published(realm: Realm) -> None:
    """Trap: a file that changes every few seconds makes every service check every token anew."""
    board = FolderBoard(realm.world.config.token_keys)
    before = board.current()
    realm.world.publisher.publish()
    assert board.current() is before
    realm.world.change(lambda change: change.revoke(user_id="somebody"))
    assert board.current() is not before
