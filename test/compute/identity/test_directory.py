"""Domains, projects, users, groups, roles, catalogue and limits: made, found, changed, removed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from keystone_world import Realm, project

from apus.compute.identity.bootstrap import Founded, Founding, bootstrap
from apus.compute.identity.catalog import filled
from apus.compute.identity.grants import closure
from apus.compute.identity.moments import read, written
from apus.compute.identity.places import tags_fit

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("domains", {"name": "d", "description": "x", "enabled": False}, {"name": "d2"}),
    ("projects", {"name": "p", "tags": ["one"], "colour": "red"}, {"description": "y", "colour": "blue"}),
    (
        "users",
        {"name": "u", "email": "u@example", "description": "x"},
        {"email": "v@example", "enabled": False},
    ),
    ("groups", {"name": "g"}, {"name": "g2", "description": "z"}),
    ("roles", {"name": "r"}, {"description": "what it is for"}),
    ("regions", {"id": "west", "description": "x"}, {"description": "y"}),
    ("services", {"type": "t", "name": "s"}, {"name": "s2", "enabled": False}),
]


@pytest.mark.parametrize(("kind", "values", "change"), CASES, ids=[case[0] for case in CASES])
def test_a_thing_is_made_found_changed_and_removed(
    realm: Realm, kind: str, values: dict[str, Any], change: dict[str, Any]
) -> None:
    """What was said comes back, what was not said has its default, and what is removed is gone."""
    admin, one = realm.admin, kind.rstrip("s")
    made = realm.call("POST", f"/v3/{kind}", {one: values}, token=admin)
    assert made.status == 201, made.body
    thing = made.json()[one]
    assert values.items() <= thing.items()
    assert thing["links"]["self"].endswith(f"/v3/{kind}/{thing['id']}")
    url = f"/v3/{kind}/{thing['id']}"
    assert realm.call("GET", url, token=admin).json()[one] == thing
    listed = realm.call("GET", f"/v3/{kind}", token=admin).json()
    assert thing in listed[kind]
    assert {"self", "next", "previous"} == set(listed["links"])
    if "name" in values:
        found = realm.call("GET", f"/v3/{kind}?name={values['name']}", token=admin).json()[kind]
        assert thing in found
        assert realm.call("GET", f"/v3/{kind}?name=other", token=admin).json()[kind] == []
    changed = realm.call("PATCH", url, {one: change}, token=admin)
    assert changed.status == 200, changed.body
    assert {**thing, **change} == changed.json()[one] == realm.call("GET", url, token=admin).json()[one]
    if kind == "domains":
        realm.call("PATCH", url, {one: {"enabled": False}}, token=admin)
    assert realm.call("DELETE", url, token=admin).status == 204
    for method in ("GET", "DELETE"):
        assert realm.call(method, url, token=admin).status == 404
    assert realm.call("PATCH", url, {one: change}, token=admin).status == 404


@pytest.mark.parametrize("kind", ["domain", "project", "user", "group", "role"])
def test_a_name_is_taken_once(realm: Realm, kind: str) -> None:
    """A second thing of a name is a conflict; a name must be there, be a text, and not be endless."""
    thing = realm.make(kind, realm.admin)
    for name, status in ((thing["name"], 409), ("", 400), (None, 400), (7, 400), ("x" * 256, 400)):
        document = {kind: {"name": name}}
        assert realm.call("POST", f"/v3/{kind}s", document, token=realm.admin).status == status, name


def test_no_thing_is_made_in_a_domain_that_is_not_there(realm: Realm) -> None:
    """Nor moved into another one."""
    admin = realm.admin
    for kind in ("user", "project", "group", "role"):
        document = {kind: {"name": "x", "domain_id": "nowhere"}}
        assert realm.call("POST", f"/v3/{kind}s", document, token=admin).status == 404
    user = realm.make("user", admin)
    domain = realm.make("domain", admin)
    moved = {"user": {"domain_id": domain["id"]}}
    assert realm.call("PATCH", f"/v3/users/{user['id']}", moved, token=admin).status == 403


def test_filters_by_a_part(realm: Realm) -> None:
    """name__contains and its relatives compare parts of texts, with i in whatever case."""
    admin = realm.admin
    thing = realm.make("user", admin, name="Findling")
    for query, hit in (
        ("name__contains=indl", True),
        ("name__icontains=INDL", True),
        ("name__startswith=Find", True),
        ("name__iendswith=LING", True),
        ("name__equals=findling", False),
        ("name__startswith=ling", False),
    ):
        found = realm.call("GET", f"/v3/users?{query}", token=admin).json()["users"]
        assert (thing["id"] in {each["id"] for each in found}) is hit, query
    assert realm.call("GET", "/v3/users?name__fuzzy=x", token=admin).status == 400


def test_projects_stand_in_projects(realm: Realm) -> None:
    """Roles are handed down to all below where they are given so; a project with others below stays."""
    admin = realm.admin
    top = realm.make("project", admin)
    middle = realm.make("project", admin, parent_id=top["id"])
    bottom = realm.make("project", admin, parent_id=middle["id"])
    user = realm.make("user", admin, password="x")
    member = realm.role_id("member")
    path = f"/v3/OS-INHERIT/projects/{top['id']}/users/{user['id']}/roles/{member}/inherited_to_projects"
    assert realm.call("PUT", path, token=admin).status == 204
    assert realm.call("HEAD", path, token=admin).status == 204
    listed = path.replace(f"/{member}", "")
    assert [each["id"] for each in realm.call("GET", listed, token=admin).json()["roles"]] == [member]
    token = realm.log_in(user["name"], {"project": {"id": bottom["id"]}})
    given = {"id": user["id"], "password": "x"}
    identity = {"methods": ["password"], "password": {"user": given}}
    assert realm.ask_token(identity, {"project": {"id": top["id"]}}).status == 401
    names = {each["name"] for each in realm.call("GET", "/v3/auth/projects", token=token).json()["projects"]}
    assert names == {middle["name"], bottom["name"]}
    query = f"/v3/role_assignments?effective&include_names&user.id={user['id']}"
    counted = realm.call("GET", query, token=admin).json()["role_assignments"]
    assert {each["scope"]["project"]["id"] for each in counted} == {middle["id"], bottom["id"]}
    assert {each["role"]["name"] for each in counted} == {"member", "reader"}
    assert realm.call("DELETE", f"/v3/projects/{top['id']}", token=admin).status == 403
    assert realm.call("DELETE", path, token=admin).status == 204
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 401
    assert realm.call("DELETE", path, token=admin).status == 404


def test_assignments_of_groups_count_for_members(realm: Realm) -> None:
    """In the list of what counts a member stands in the group's place, with links to both."""
    admin = realm.admin
    place, user, group = realm.make("project", admin), realm.make("user", admin), realm.make("group", admin)
    assert realm.give(f"projects/{place['id']}/groups/{group['id']}", "reader") == 204
    assert realm.call("PUT", f"/v3/groups/{group['id']}/users/{user['id']}", token=admin).status == 204
    assert realm.call("HEAD", f"/v3/groups/{group['id']}/users/{user['id']}", token=admin).status == 204
    scope = f"scope.project.id={place['id']}"
    given = realm.call("GET", f"/v3/role_assignments?{scope}", token=admin).json()["role_assignments"]
    assert [each["group"] for each in given] == [{"id": group["id"]}]
    counted = realm.call("GET", f"/v3/role_assignments?{scope}&effective", token=admin).json()
    [one] = counted["role_assignments"]
    assert one["user"] == {"id": user["id"]}
    assert one["links"]["membership"].endswith(f"/groups/{group['id']}/users/{user['id']}")
    members = realm.call("GET", f"/v3/groups/{group['id']}/users", token=admin).json()["users"]
    assert [each["id"] for each in members] == [user["id"]]
    groups = realm.call("GET", f"/v3/users/{user['id']}/groups", token=admin).json()["groups"]
    assert [each["id"] for each in groups] == [group["id"]]
    places = realm.call("GET", f"/v3/users/{user['id']}/projects", token=admin).json()["projects"]
    assert [each["id"] for each in places] == [place["id"]]


def test_roles_imply_roles(realm: Realm) -> None:
    """An inference is made, shown, listed and ended; a token made under it ends with it."""
    admin = realm.admin
    prior, implied = realm.make("role", admin), realm.make("role", admin)
    url = f"/v3/roles/{prior['id']}/implies/{implied['id']}"
    assert realm.call("GET", url, token=admin).status == 404
    assert realm.call("PUT", url, token=admin).status == 201
    assert realm.call("HEAD", url, token=admin).status == 204
    shown = realm.call("GET", url, token=admin).json()["role_inference"]
    assert shown["implies"]["id"] == implied["id"]
    listed = realm.call("GET", f"/v3/roles/{prior['id']}/implies", token=admin).json()["role_inference"]
    assert [each["name"] for each in listed["implies"]] == [implied["name"]]
    everything = realm.call("GET", "/v3/role_inferences", token=admin).json()["role_inferences"]
    assert prior["id"] in {each["prior_role"]["id"] for each in everything}
    place, user = realm.make("project", admin), realm.make("user", admin, password="x")
    path = f"/v3/projects/{place['id']}/users/{user['id']}/roles/{prior['id']}"
    assert realm.call("PUT", path, token=admin).status == 204
    token = realm.log_in(user["name"], {"project": {"id": place["id"]}})
    told = realm.call("GET", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token}).json()
    assert {each["name"] for each in told["token"]["roles"]} == {prior["name"], implied["name"]}
    assert realm.call("DELETE", url, token=admin).status == 204
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 401


def test_tags(realm: Realm) -> None:
    """Tags of a project are set, added, asked for, removed, and found by."""
    admin = realm.admin
    place = realm.make("project", admin)
    tags = f"/v3/projects/{place['id']}/tags"
    assert realm.call("PUT", tags, {"tags": ["b", "a"]}, token=admin).json()["tags"] == ["a", "b"]
    assert realm.call("PUT", f"{tags}/c", token=admin).status == 201
    assert realm.call("GET", f"{tags}/c", token=admin).status == 204
    assert realm.call("GET", f"{tags}/d", token=admin).status == 404
    for query, hit in (
        ("tags=a,b", True),
        ("tags=a,x", False),
        ("tags-any=x,c", True),
        ("not-tags=c", False),
    ):
        found = realm.call("GET", f"/v3/projects?{query}", token=admin).json()["projects"]
        assert (place["id"] in {each["id"] for each in found}) is hit, query
    assert realm.call("DELETE", f"{tags}/c", token=admin).status == 204
    assert realm.call("DELETE", f"{tags}/c", token=admin).status == 404
    assert realm.call("PUT", tags, {"tags": ["a", "a"]}, token=admin).status == 400
    assert realm.call("PUT", tags, {"tags": ["a/b"]}, token=admin).status == 400
    assert realm.call("DELETE", tags, token=admin).status == 204
    assert realm.call("GET", tags, token=admin).json()["tags"] == []


def test_the_catalogue_is_kept(realm: Realm) -> None:
    """An endpoint needs a service; its region is made; what is disabled is told to nobody."""
    admin = realm.admin
    service = realm.call("POST", "/v3/services", {"service": {"type": "x", "name": "n"}}, token=admin).json()
    wanted = {"service_id": service["service"]["id"], "interface": "public", "url": "http://x/$(tenant_id)s"}
    reply = realm.call("POST", "/v3/endpoints", {"endpoint": {**wanted, "region": "far"}}, token=admin)
    assert reply.status == 201, reply.body
    assert reply.json()["endpoint"]["region"] == reply.json()["endpoint"]["region_id"] == "far"
    assert realm.call("GET", "/v3/regions/far", token=admin).status == 200
    assert realm.call("DELETE", "/v3/regions/far", token=admin).status == 403
    for bad in ({"interface": "sideways"}, {"service_id": "none"}, {"url": None}):
        document = {"endpoint": {**wanted, **bad}}
        assert realm.call("POST", "/v3/endpoints", document, token=admin).status == 400
    demo = realm.log_in("demo", project("demo"))

    def types() -> set[str]:
        return {each["type"] for each in realm.call("GET", "/v3/auth/catalog", token=demo).json()["catalog"]}

    assert "x" in types()
    url = f"/v3/services/{wanted['service_id']}"
    realm.call("PATCH", url, {"service": {"enabled": False}}, token=admin)
    assert "x" not in types()
    assert realm.call("DELETE", url, token=admin).status == 204
    assert realm.call("GET", f"/v3/endpoints/{reply.json()['endpoint']['id']}", token=admin).status == 404


def test_limits(realm: Realm) -> None:
    """Defaults are read by anybody, a project's limits by the project; administrators make both."""
    admin, demo = realm.admin, realm.log_in("demo", project("demo"))
    service = realm.call("GET", "/v3/services?type=object-store", token=admin).json()["services"][0]["id"]
    default = {"service_id": service, "resource_name": "bytes", "default_limit": 10}
    many = "/v3/registered_limits"
    assert realm.call("POST", many, {"registered_limits": [default]}, token=demo).status == 403
    assert realm.call("POST", many, {"registered_limits": [default]}, token=admin).status == 201
    assert realm.call("POST", many, {"registered_limits": [default]}, token=admin).status == 409
    assert realm.call("GET", many, token=demo).json()["registered_limits"][0]["default_limit"] == 10
    for name in ("demo", "admin"):
        place = realm.founded.projects[name]
        limit = {"service_id": service, "resource_name": "bytes", "resource_limit": 5, "project_id": place}
        assert realm.call("POST", "/v3/limits", {"limits": [limit]}, token=admin).status == 201
    own = realm.call("GET", "/v3/limits", token=demo).json()["limits"]
    assert [each["project_id"] for each in own] == [realm.founded.projects["demo"]]
    assert len(realm.call("GET", "/v3/limits", token=admin).json()["limits"]) == 2
    assert realm.call("GET", "/v3/limits/model", token=demo).json()["model"]["name"] == "flat"


def test_bootstrap_again_changes_nothing(realm: Realm) -> None:
    """What is there stays, tokens live on; a password that is given replaces a lost one."""
    token = realm.log_in("demo", project("demo"))
    again: Founded = bootstrap(realm.world, Founding(passwords=dict(realm.passwords)))
    assert (again.changes, again.passwords) == (0, {})
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 200
    bootstrap(realm.world, Founding(passwords={"demo": "another"}))
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 401
    realm.passwords["demo"] = "another"
    assert realm.log_in("demo", project("demo"))


@given(
    some.dictionaries(some.sampled_from("abcdef"), some.sets(some.sampled_from("abcdef"))),
    some.sets(some.sampled_from("abcdef")),
)
def test_a_closure_is_closed(implied: dict[str, set[str]], roles: set[str]) -> None:
    """It has the roles, all that any of its roles implies, and ends in circles too."""
    found = closure(roles, implied)
    assert roles <= found
    assert all(implied.get(role, set()) <= found for role in found)


@given(some.floats(0, 4e9))
def test_moments_come_back(seconds: float) -> None:
    """A moment that is written is read again to the microsecond."""
    assert abs(read(written(seconds)) - seconds) < 1e-5


def test_urls_with_what_is_not_known_are_left_out() -> None:
    """A URL that needs a project is none without one, and nothing else is filled in."""
    assert (
        filled("http://x/%(project_id)s/$(user_id)s", {"project_id": "p", "user_id": "u"}) == "http://x/p/u"
    )
    assert filled("http://x/$(project_id)s", {"user_id": "u"}) is None
    assert filled("http://x/$(__class__)s", {"user_id": "u"}) is None


@given(some.sets(some.sampled_from("abc")), some.sets(some.sampled_from("abc"), min_size=1))
def test_filters_of_tags_and_their_negations(held: set[str], asked: set[str]) -> None:
    """not-tags is the opposite of tags, and not-tags-any of tags-any."""
    query = ",".join(asked)
    assert tags_fit(held, {"tags": query}) is not tags_fit(held, {"not-tags": query})
    assert tags_fit(held, {"tags-any": query}) is not tags_fit(held, {"not-tags-any": query})


def test_a_region_is_made_where_it_shall_be(realm: Realm) -> None:
    """PUT names a region's id in the path."""
    admin = realm.admin
    reply = realm.call("PUT", "/v3/regions/south", {"region": {"description": "warm"}}, token=admin)
    assert (reply.status, reply.json()["region"]["id"]) == (201, "south")
    assert realm.call("PUT", "/v3/regions/south", {"region": {}}, token=admin).status == 409


def test_people_may_know_their_domain(realm: Realm) -> None:
    """The one that they, or their token's project, are at home in; no other."""
    demo = realm.log_in("demo", project("demo"))
    other = realm.make("domain", realm.admin)["id"]
    assert realm.call("GET", "/v3/domains/default", token=demo).status == 200
    assert realm.call("GET", f"/v3/domains/{other}", token=demo).status == 403


def test_roles_of_one_domain_imply_and_are_not_implied(realm: Realm) -> None:
    """A role that counts everywhere cannot imply one that counts in one domain."""
    admin = realm.admin
    local = realm.make("role", admin, domain_id=realm.make("domain", admin)["id"])
    everywhere = realm.make("role", admin)
    path = "/v3/roles/{}/implies/{}"
    assert realm.call("PUT", path.format(everywhere["id"], local["id"]), token=admin).status == 403
    assert realm.call("PUT", path.format(local["id"], everywhere["id"]), token=admin).status == 201
