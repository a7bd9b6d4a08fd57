"""Laws of metadata definitions: admins write, who sees a namespace reads, names are unique."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_world import ADMIN, BOB, World

ROOT = "/v2/metadefs/namespaces"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def made(world: World, name: str = "ns", **said: object) -> dict[str, object]:
    reply = world.call("POST", ROOT, {"namespace": name, **said}, as_=ADMIN)
    assert reply.status == 201, reply.text
    document: dict[str, object] = reply.json()
    return document


def test_a_namespace_from_its_making_to_its_end(world: World) -> None:
    """Made with all that is in it, renamed, protected, removed with all of it."""
    made(
        world,
        visibility="public",
        protected=True,
        objects=[{"name": "cpu", "properties": {"cores": {"type": "integer"}}}],
        properties={"bus": {"title": "Bus", "type": "string"}},
        tags=[{"name": "blue"}],
        resource_type_associations=[{"name": "OS::Glance::Image", "prefix": "hw_"}],
    )
    shown = world.call("GET", f"{ROOT}/ns", as_=BOB).json()
    assert shown["objects"][0]["name"] == "cpu"
    assert shown["properties"]["bus"]["title"] == "Bus"
    assert [tag["name"] for tag in shown["tags"]] == ["blue"]
    types = world.call("GET", f"{ROOT}/ns/resource_types").json()["resource_type_associations"]
    assert types[0]["prefix"] == "hw_"
    path = f"{ROOT}/ns/resource_types"
    assert world.call("POST", path, {"name": "OS::Nova::Flavor"}, as_=ADMIN).status == 201
    assert world.call("DELETE", f"{path}/OS::Glance::Image", as_=ADMIN).status == 204
    assert world.call("DELETE", f"{path}/OS::Glance::Image", as_=ADMIN).status == 404
    left = world.call("GET", path).json()["resource_type_associations"]
    assert [each["name"] for each in left] == ["OS::Nova::Flavor"]
    assert world.call("DELETE", f"{ROOT}/ns", as_=ADMIN).status == 403
    assert (
        world.call("PUT", f"{ROOT}/ns", {"namespace": "other", "protected": False}, as_=ADMIN).status == 200
    )
    assert world.call("GET", f"{ROOT}/ns", as_=ADMIN).status == 404
    assert (
        len(world.call("GET", f"{ROOT}/other/resource_types", as_=ADMIN).json()["resource_type_associations"])
        == 1
    )
    assert len(world.call("GET", f"{ROOT}/other/tags", as_=ADMIN).json()["tags"]) == 1
    assert world.call("DELETE", f"{ROOT}/other", as_=ADMIN).status == 204
    assert world.call("GET", ROOT, as_=ADMIN).json()["namespaces"] == []


def test_private_namespaces_are_their_owners(world: World) -> None:
    """Not in others' lists, and 404 by name; and only admins write."""
    made(world, "mine", owner="bobs")
    made(world, "everybodys", visibility="public")
    names = [n["namespace"] for n in world.call("GET", ROOT).json()["namespaces"]]
    assert names == ["everybodys"]
    assert world.call("GET", f"{ROOT}/mine").status == 404
    assert world.call("GET", f"{ROOT}/mine/tags").status == 404
    assert world.call("GET", f"{ROOT}/mine", as_=BOB).status == 200
    for method, path in (
        ("POST", ROOT),
        ("PUT", f"{ROOT}/mine"),
        ("DELETE", f"{ROOT}/mine"),
        ("POST", f"{ROOT}/mine/tags/x"),
    ):
        assert world.call(method, path, {"namespace": "mine"}, as_=BOB).status == 403


@pytest.mark.parametrize("kind", ["objects", "properties"])
def test_what_is_in_a_namespace(world: World, kind: str) -> None:
    """Made once, shown, renamed, removed."""
    made(world)
    path = f"{ROOT}/ns/{kind}"
    said = {"name": "a", "title": "A", "type": "string"}
    assert world.call("POST", path, said, as_=ADMIN).json()["title"] == "A"
    assert world.call("POST", path, said, as_=ADMIN).status == 409
    assert world.call("PUT", f"{path}/a", {"name": "b", "title": "B"}, as_=ADMIN).json()["name"] == "b"
    assert world.call("GET", f"{path}/a", as_=ADMIN).status == 404
    assert world.call("GET", f"{path}/b", as_=ADMIN).json()["title"] == "B"
    assert world.call("DELETE", f"{path}/b", as_=ADMIN).status == 204
    assert world.call("DELETE", f"{path}/b", as_=ADMIN).status == 404


def test_tags_are_replaced_together_or_added_alone(world: World) -> None:
    """POST of a list is all there are; POST of a name is one more."""
    made(world)
    path = f"{ROOT}/ns/tags"
    for names in (["a", "b"], ["c"]):
        assert world.call("POST", path, {"tags": [{"name": n} for n in names]}, as_=ADMIN).status == 201
    assert world.call("POST", f"{path}/d", as_=ADMIN).status == 201
    assert [tag["name"] for tag in world.call("GET", path, as_=ADMIN).json()["tags"]] == ["c", "d"]
    assert world.call("DELETE", path, as_=ADMIN).status == 204
    assert world.call("GET", path, as_=ADMIN).json()["tags"] == []


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, 400),
        ({"namespace": ""}, 400),
        ({"namespace": "x" * 81}, 400),
        ({"namespace": "a/b"}, 400),
        ({"namespace": "x", "visibility": "shared"}, 400),
        ({"namespace": "x", "protected": "yes"}, 400),
        ({"namespace": "x", "objects": "all"}, 400),
        ({"namespace": "x", "objects": [{}]}, 400),
        ({"namespace": "x", "description": "x" * 70000}, 400),
    ],
)
def test_what_is_no_definition_is_refused(world: World, document: dict[str, object], status: int) -> None:
    """And nothing of it is kept."""
    assert world.call("POST", ROOT, document, as_=ADMIN).status == status
    assert world.call("GET", ROOT, as_=ADMIN).json()["namespaces"] == []
