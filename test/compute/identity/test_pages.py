"""Laws of lists that are cut into pages, and of policies, which are kept and told."""

from __future__ import annotations

from keystone_world import Realm


def test_pages_of_a_list_are_the_list(realm: Realm) -> None:
    """Each link leads to the next page, with the filters that were asked for; the last has none."""
    for number in range(5):
        realm.make("group", realm.admin, name=f"g{number}", description="paged")
    whole = realm.call("GET", "/v3/groups?description=paged", token=realm.admin).json()
    assert whole["links"]["next"] is None
    path, seen = "/v3/groups?description=paged&limit=2", []
    while path:
        page = realm.call("GET", path, token=realm.admin).json()
        assert len(page["groups"]) <= 2
        seen += [group["id"] for group in page["groups"]]
        following = page["links"]["next"]
        path = following and following[following.index("/v3/") :]
    assert seen == [group["id"] for group in whole["groups"]]


def test_a_page_that_cannot_be_is_refused(realm: Realm) -> None:
    """A limit that is no number, a marker that is nobody's; what has no ids is told whole."""
    for query in ("limit=few", "limit=-1", "marker=nobody"):
        assert realm.call("GET", f"/v3/users?{query}", token=realm.admin).status == 400
    whole = realm.call("GET", "/v3/role_assignments", token=realm.admin).json()["role_assignments"]
    limited = realm.call("GET", "/v3/role_assignments?limit=1", token=realm.admin).json()
    assert limited["role_assignments"] == whole


def test_policies_are_kept_and_told(realm: Realm) -> None:
    """By who administers everything, and nobody else."""
    document = {"policy": {"type": "application/json", "blob": "{}"}}
    made = realm.call("POST", "/v3/policies", document, token=realm.admin).json()["policy"]
    path = f"/v3/policies/{made['id']}"
    change = {"policy": {"blob": "{'a': 1}"}}
    assert realm.call("PATCH", path, change, token=realm.admin).json()["policy"]["blob"] == "{'a': 1}"
    assert realm.call("GET", path, token=realm.log_in("demo")).status == 403
    listed = realm.call("GET", "/v3/policies?type=application/json", token=realm.admin).json()["policies"]
    assert [policy["id"] for policy in listed] == [made["id"]]
    assert realm.call("DELETE", path, token=realm.admin).status == 204
    assert realm.call("GET", path, token=realm.admin).status == 404
