"""Attempts to get more than one was given; and what becomes of tokens when something is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from keystone_world import PASSWORDS, Realm, project

from apus.common.identity.claims import claims_of
from apus.common.identity.signature import TOKEN, SigningKey, sign
from apus.common.identity.verifier import judged
from apus.compute.identity.tables import metadata


class Home:
    """A domain with an administrator, a project and a member."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        admin = realm.admin
        self.domain = realm.make("domain", admin)["id"]
        self.project = realm.make("project", admin, domain_id=self.domain)
        self.boss = realm.make("user", admin, domain_id=self.domain, password="boss")
        self.member = realm.make("user", admin, domain_id=self.domain, password="member")
        assert realm.give(f"domains/{self.domain}/users/{self.boss['id']}", "admin") == 204
        assert realm.give(f"projects/{self.project['id']}/users/{self.member['id']}", "member") == 204

    @property
    def boss_token(self) -> str:
        scope = {"domain": {"id": self.domain}}
        return self.realm.log_in(self.boss["name"], scope, domain=self.domain)

    @property
    def member_token(self) -> str:
        scope = {"project": {"id": self.project["id"]}}
        return self.realm.log_in(self.member["name"], scope, domain=self.domain)


@pytest.fixture(scope="module")
def homes(realm: Realm) -> tuple[Home, Home]:
    return Home(realm), Home(realm)


def status(realm: Realm, method: str, path: str, token: str, document: Any = None) -> int:
    return realm.call(method, path, document, token=token).status


def alive(realm: Realm, token: str) -> bool:
    return status(realm, "GET", "/v3/auth/projects", token) == 200


def test_a_domain_sees_nothing_of_another(realm: Realm, homes: tuple[Home, Home]) -> None:
    """Who administers one domain gets the same answer for what is in another and for what is nowhere."""
    ours, theirs = homes
    boss = ours.boss_token
    for path in (
        f"domains/{theirs.domain}",
        f"projects/{theirs.project['id']}",
        f"users/{theirs.member['id']}",
        f"users/{theirs.member['id']}/projects",
        f"users/{theirs.member['id']}/application_credentials",
        f"users/{theirs.member['id']}/credentials/OS-EC2",
        f"projects/{theirs.project['id']}/users/{theirs.member['id']}/roles",
        f"projects/{ours.project['id']}/users/nobody/roles",
        "projects/nowhere",
        "users/nobody",
    ):
        assert status(realm, "GET", f"/v3/{path}", boss) == 403, path
    for kind, own in (("users", {ours.boss["id"], ours.member["id"]}), ("projects", {ours.project["id"]})):
        listed = realm.call("GET", f"/v3/{kind}?domain_id={theirs.domain}", token=boss).json()[kind]
        assert listed == []
        assert {each["id"] for each in realm.call("GET", f"/v3/{kind}", token=boss).json()[kind]} == own
    given = realm.call("GET", "/v3/role_assignments?include_names", token=boss).json()["role_assignments"]
    assert {each["user"]["domain"]["id"] for each in given} == {ours.domain}


def test_a_domain_changes_nothing_of_another(realm: Realm, homes: tuple[Home, Home]) -> None:
    """Nor can it make, change or remove anything there, or move its own things there."""
    ours, theirs = homes
    boss = ours.boss_token
    attempts = [
        ("POST", "users", {"user": {"name": "x", "domain_id": theirs.domain}}),
        ("POST", "projects", {"project": {"name": "x", "domain_id": theirs.domain}}),
        ("PATCH", f"users/{theirs.member['id']}", {"user": {"password": "stolen"}}),
        ("PATCH", f"users/{ours.member['id']}", {"user": {"domain_id": theirs.domain}}),
        ("PATCH", f"projects/{theirs.project['id']}", {"project": {"enabled": False}}),
        ("DELETE", f"users/{theirs.member['id']}", None),
        ("DELETE", f"domains/{ours.domain}", None),
        ("POST", "domains", {"domain": {"name": "x"}}),
        ("POST", "roles", {"role": {"name": "x"}}),
        ("POST", "services", {"service": {"type": "x"}}),
    ]
    for method, path, document in attempts:
        assert status(realm, method, f"/v3/{path}", boss, document) == 403, (method, path)


def test_a_domain_administrator_gives_few_roles(realm: Realm, homes: tuple[Home, Home]) -> None:
    """Trap: admin on a project counts everywhere, so an administrator of a domain cannot give it."""
    ours, theirs = homes
    boss = ours.boss_token
    here = f"projects/{ours.project['id']}/users/{ours.member['id']}"
    assert realm.give(here, "swiftoperator", boss) == 204
    for role in ("admin", "service", "ResellerAdmin"):
        assert realm.give(here, role, boss) == 403
    assert realm.give(f"projects/{theirs.project['id']}/users/{ours.member['id']}", "member", boss) == 403
    assert realm.give(f"projects/{ours.project['id']}/users/{theirs.member['id']}", "member", boss) == 403
    assert realm.give(f"system/users/{ours.boss['id']}", "admin", boss) == 403
    group = realm.make("group", realm.admin, domain_id=ours.domain)
    assert realm.give(f"projects/{ours.project['id']}/groups/{group['id']}", "admin") == 204
    path = f"/v3/groups/{group['id']}/users/{ours.boss['id']}"
    assert status(realm, "PUT", path, boss) == 403


def test_a_domain_administrator_does_not_become_somebody_greater(realm: Realm) -> None:
    """Trap: who sets the password of somebody with more roles has these roles from then on."""
    home = Home(realm)
    url = f"/v3/users/{home.member['id']}"
    mine = {"user": {"password": "mine"}}
    assert status(realm, "PATCH", url, home.boss_token, mine) == 200
    assert realm.give(f"projects/{realm.founded.projects['admin']}/users/{home.member['id']}", "admin") == 204
    assert status(realm, "PATCH", url, home.boss_token, mine) == 403
    assert status(realm, "DELETE", url, home.boss_token) == 403
    assert (
        status(realm, "PATCH", f"/v3/users/{home.boss['id']}", home.boss_token, {"user": {"email": "x"}})
        == 200
    )


def test_a_member_sees_itself_only(realm: Realm, homes: tuple[Home, Home]) -> None:
    """Without a role for it nobody lists or reads others; everybody reads themselves."""
    home, _ = homes
    token = home.member_token
    for path in (
        "users",
        "projects",
        "domains",
        "groups",
        "roles",
        "services",
        "endpoints",
        "role_assignments",
    ):
        assert status(realm, "GET", f"/v3/{path}", token) == 403, path
    assert status(realm, "GET", f"/v3/users/{home.boss['id']}", token) == 403
    assert status(realm, "GET", f"/v3/users/{home.member['id']}", token) == 200
    assert status(realm, "GET", f"/v3/projects/{home.project['id']}", token) == 200
    assert status(realm, "GET", f"/v3/role_assignments?user.id={home.member['id']}&effective", token) == 200
    assert status(realm, "PATCH", f"/v3/users/{home.member['id']}", token, {"user": {"enabled": True}}) == 403
    assert status(realm, "PATCH", f"/v3/users/{home.member['id']}", token, {"user": {"password": "x"}}) == 403


def test_a_token_cannot_be_made_elsewhere(realm: Realm) -> None:
    """What another key has signed is refused, whoever it says it is, and under whatever key's id."""
    real = realm.log_in("demo", project("demo"))
    who = judged(real, realm.world.publisher.current(), now=realm.clock())
    better = replace(who, roles=("admin",), role_ids=("x",))
    own = SigningKey.of(Ed25519PrivateKey.generate())
    for key in (own, SigningKey(own.private, realm.world.keys.signing_keys()[0].key_id)):
        assert not alive(realm, sign(claims_of(better), TOKEN, key))


def disable(realm: Realm, home: Home, what: str) -> tuple[str, str]:
    """Return the path of a thing and its word."""
    thing = {"users": home.member["id"], "projects": home.project["id"], "domains": home.domain}[what]
    return f"/v3/{what}/{thing}", what.rstrip("s")


@pytest.mark.parametrize("what", ["users", "projects", "domains"])
def test_disabling_ends_tokens_at_once(realm: Realm, what: str) -> None:
    """A token of a disabled user, project or domain is refused, and so is a new one; enabling lets in again."""
    home = Home(realm)
    token, path = home.member_token, disable(realm, home, what)
    assert alive(realm, token)
    url, word = path
    assert status(realm, "PATCH", url, realm.admin, {word: {"enabled": False}}) == 200
    assert not alive(realm, token)
    user = {"id": home.member["id"], "password": "member"}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"id": home.project["id"]}}
    assert realm.ask_token(identity, scope).status == 401
    assert status(realm, "PATCH", url, realm.admin, {word: {"enabled": True}}) == 200
    assert realm.ask_token(identity, scope).status == 201
    assert not alive(realm, token)


@pytest.mark.parametrize("what", ["users", "projects", "domains"])
def test_removing_ends_tokens_at_once(realm: Realm, what: str) -> None:
    """So does removing; a domain must be disabled before, and takes along what is in it."""
    home = Home(realm)
    token = home.member_token
    url, word = disable(realm, home, what)
    if what == "domains":
        assert status(realm, "DELETE", url, realm.admin) == 403
        assert status(realm, "PATCH", url, realm.admin, {word: {"enabled": False}}) == 200
    assert status(realm, "DELETE", url, realm.admin) == 204
    assert not alive(realm, token)
    if what == "domains":
        assert status(realm, "GET", f"/v3/users/{home.member['id']}", realm.admin) == 404
        assert status(realm, "GET", f"/v3/projects/{home.project['id']}", realm.admin) == 404


def test_a_role_that_is_taken_ends_its_tokens(realm: Realm, homes: tuple[Home, Home]) -> None:
    """Directly, by leaving a group, or by a role that is removed; tokens for other places live on."""
    home = Home(realm)
    admin = realm.admin
    member = home.member["id"]
    other = realm.make("project", admin, domain_id=home.domain)
    assert realm.give(f"projects/{other['id']}/users/{member}", "reader") == 204
    first = home.member_token
    second = realm.log_in(home.member["name"], {"project": {"id": other["id"]}}, domain=home.domain)
    path = f"/v3/projects/{home.project['id']}/users/{member}/roles/{realm.role_id('member')}"
    assert status(realm, "DELETE", path, admin) == 204
    assert not alive(realm, first)
    assert alive(realm, second)
    group = realm.make("group", admin, domain_id=home.domain)
    assert realm.give(f"projects/{home.project['id']}/groups/{group['id']}", "member") == 204
    assert status(realm, "PUT", f"/v3/groups/{group['id']}/users/{member}", admin) == 204
    third = home.member_token
    assert status(realm, "DELETE", f"/v3/groups/{group['id']}/users/{member}", admin) == 204
    assert not alive(realm, third)
    role = realm.make("role", admin)
    assert (
        status(realm, "PUT", f"/v3/projects/{home.project['id']}/users/{member}/roles/{role['id']}", admin)
        == 204
    )
    fourth = home.member_token
    assert status(realm, "DELETE", f"/v3/roles/{role['id']}", admin) == 204
    assert not alive(realm, fourth)


def test_a_new_password_ends_tokens(realm: Realm) -> None:
    """The user changes it knowing the old one, or an administrator sets it; either way old tokens end."""
    home = Home(realm)
    token = home.member_token
    path = f"/v3/users/{home.member['id']}/password"
    wrong = {"user": {"password": "new", "original_password": "guess"}}
    assert realm.call("POST", path, wrong).status == 401
    assert alive(realm, token)
    right = {"user": {"password": "new", "original_password": "member"}}
    assert realm.call("POST", path, right, token=token).status == 204
    assert not alive(realm, token)
    realm.passwords[home.member["name"]] = "new"
    token = home.member_token
    url = f"/v3/users/{home.member['id']}"
    assert status(realm, "PATCH", url, home.boss_token, {"user": {"password": "newer"}}) == 200
    assert not alive(realm, token)
    shown = realm.call("GET", url, token=realm.admin).text
    assert "password_hash" not in shown
    assert "newer" not in shown


def test_guessing_passwords_is_stopped(realm: Realm) -> None:
    """After so many wrong ones the right one is refused too, for a while; others are not concerned."""
    home = Home(realm)
    user = {"id": home.member["id"], "password": "wrong"}
    identity = {"methods": ["password"], "password": {"user": user}}
    for _ in range(realm.world.config.lockout_failures):
        assert realm.ask_token(identity).status == 401
    user["password"] = "member"
    assert realm.ask_token(identity).status == 401
    assert home.boss_token
    realm.clock.ahead += realm.world.config.lockout_seconds
    try:
        assert realm.ask_token(identity, "unscoped").status == 201
    finally:
        realm.clock.ahead = 0


def credential(realm: Realm, token: str, user: str, **values: Any) -> dict[str, Any]:
    document = {"application_credential": {"name": f"c-{len(values)}-{user[:6]}", **values}}
    reply = realm.call("POST", f"/v3/users/{user}/application_credentials", document, token=token)
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.json()["application_credential"]
    return made


def by_credential(made: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": made["id"], "secret": made["secret"]}
    return {"methods": ["application_credential"], "application_credential": shown}


def test_an_application_credential_stays_small(realm: Realm) -> None:
    """It gets its roles in its project, makes no further secrets, and cannot be exchanged for more."""
    home = Home(realm)
    user = home.member["id"]
    assert realm.give(f"projects/{home.project['id']}/users/{user}", "swiftoperator") == 204
    made = credential(realm, home.member_token, user, name="small", roles=[{"name": "reader"}])
    reply = realm.ask_token(by_credential(made))
    assert reply.status == 201
    told = reply.json()["token"]
    assert [role["name"] for role in told["roles"]] == ["reader"]
    assert told["application_credential"]["restricted"] is True
    token = reply.headers["x-subject-token"]
    users = f"/v3/users/{user}"
    further = {"application_credential": {"name": "more"}}
    assert status(realm, "POST", f"{users}/application_credentials", token, further) == 403
    assert status(realm, "DELETE", f"{users}/application_credentials/{made['id']}", token) == 403
    assert status(realm, "GET", f"{users}/credentials/OS-EC2", token) == 403
    ec2 = {"tenant_id": home.project["id"]}
    assert status(realm, "POST", f"{users}/credentials/OS-EC2", token, ec2) == 403
    blob = {
        "credential": {"type": "ec2", "blob": '{"access":"a","secret":"b"}', "project_id": home.project["id"]}
    }
    assert status(realm, "POST", "/v3/credentials", token, blob) == 403
    scope = {"project": {"id": home.project["id"]}}
    again = {"methods": ["token"], "token": {"id": token}}
    assert realm.ask_token(again, scope).status == 403
    assert realm.ask_token(again).status == 403
    other = realm.make("project", realm.admin, domain_id=home.domain)
    assert realm.give(f"projects/{other['id']}/users/{user}", "member") == 204
    assert realm.ask_token(by_credential(made), {"project": {"id": other["id"]}}).status == 401


def test_an_application_credential_has_no_role_that_its_maker_lacks(realm: Realm) -> None:
    """Neither by name nor by id; nor can it be made for somebody else."""
    home = Home(realm)
    token, user = home.member_token, home.member["id"]
    wanted: list[Any] = [[{"name": "admin"}], [{"id": realm.role_id("admin")}], [{}], "x"]
    for roles in wanted:
        document = {"application_credential": {"name": "x", "roles": roles}}
        assert status(realm, "POST", f"/v3/users/{user}/application_credentials", token, document) == 400
    document = {"application_credential": {"name": "x"}}
    path = f"/v3/users/{home.boss['id']}/application_credentials"
    assert status(realm, "POST", path, token, document) == 403
    assert status(realm, "POST", path, realm.admin, document) == 403


def test_an_application_credential_ends(realm: Realm) -> None:
    """With its time, with any of its roles, with its removal; a wrong secret opens nothing."""
    home = Home(realm)
    user = home.member["id"]
    made = credential(realm, home.member_token, user, name="one")
    assert realm.ask_token(by_credential({**made, "secret": "wrong"})).status == 401
    token = realm.ask_token(by_credential(made)).headers["x-subject-token"]
    assert alive(realm, token)
    assert (
        status(realm, "DELETE", f"/v3/users/{user}/application_credentials/{made['id']}", home.member_token)
        == 204
    )
    assert not alive(realm, token)
    assert realm.ask_token(by_credential(made)).status == 401
    short = credential(realm, home.member_token, user, name="two", expires_at="2099-01-01T00:00:00")
    realm.clock.ahead += 80 * 366 * 86400
    try:
        assert realm.ask_token(by_credential(short)).status == 401
    finally:
        realm.clock.ahead = 0
    two = credential(realm, home.member_token, user, name="three")
    path = f"/v3/projects/{home.project['id']}/users/{user}/roles/{realm.role_id('member')}"
    assert realm.give(f"projects/{home.project['id']}/users/{user}", "reader") == 204
    assert status(realm, "DELETE", path, realm.admin) == 204
    assert realm.ask_token(by_credential(two)).status == 401


def test_access_rules_bind_here_too(realm: Realm) -> None:
    """A credential for another service's requests is good for none of this one's, nor for another token."""
    home = Home(realm)
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    made = credential(realm, home.member_token, home.member["id"], name="rules", access_rules=[rule])
    assert made["access_rules"][0]["path"] == "/v2.1/servers"
    reply = realm.ask_token(by_credential(made))
    assert reply.status == 201
    token = reply.headers["x-subject-token"]
    assert status(realm, "GET", "/v3/auth/projects", token) == 401
    assert realm.ask_token({"methods": ["token"], "token": {"id": token}}).status == 403
    own = {"service": "identity", "method": "GET", "path": "/v3/auth/*"}
    made = credential(realm, home.member_token, home.member["id"], name="own", access_rules=[own])
    token = realm.ask_token(by_credential(made)).headers["x-subject-token"]
    assert status(realm, "GET", "/v3/auth/projects", token) == 200
    assert status(realm, "GET", f"/v3/users/{home.member['id']}", token) == 401
    rules = realm.call("GET", f"/v3/users/{home.member['id']}/access_rules", token=home.member_token).json()
    assert len(rules["access_rules"]) == 2
    path = f"/v3/users/{home.member['id']}/access_rules/{rules['access_rules'][0]['id']}"
    assert status(realm, "DELETE", path, home.member_token) == 403


def test_admin_cannot_be_implied(realm: Realm) -> None:
    """Trap: who may give a role that implies admin would give admin."""
    reader, admin = realm.role_id("reader"), realm.role_id("admin")
    assert status(realm, "PUT", f"/v3/roles/{reader}/implies/{admin}", realm.admin) == 403
    assert status(realm, "PUT", f"/v3/roles/{reader}/implies/{realm.role_id('member')}", realm.admin) == 400


def test_no_password_of_bootstrap_lies_open(realm: Realm) -> None:
    """What is stored of a password or secret is not that."""
    with realm.world.read() as connection:
        dump = str([connection.execute(table.select()).all() for table in metadata.sorted_tables])
    for password in PASSWORDS.values():
        assert password not in dump
    assert "$argon2id$" in dump
