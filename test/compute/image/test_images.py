"""Laws of images as clients see them, through WSGI."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from image_world import ADMIN, ALICE, BOB, READER, World

KNOWN = [
    "id",
    "name",
    "status",
    "visibility",
    "protected",
    "os_hidden",
    "owner",
    "size",
    "virtual_size",
    "min_disk",
    "min_ram",
    "disk_format",
    "container_format",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "tags",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_image_has_all_that_clients_read(world: World) -> None:
    """Every field of Glance's is there from the first, and custom properties stand beside them."""
    reply = world.call("POST", "/v2/images", {"name": "é", "hw_disk_bus": "scsi", "tags": ["b", "a", "a"]})
    image = reply.json()
    assert reply.status == 201
    assert reply.headers["location"].endswith(f"/v2/images/{image['id']}")
    assert "glance-direct" in reply.headers["openstack-image-import-methods"]
    assert set(KNOWN) <= set(image)
    assert (image["status"], image["visibility"], image["owner"]) == ("queued", "shared", "alices")
    assert (image["hw_disk_bus"], image["tags"], image["created_at"]) == (
        "scsi",
        ["a", "b"],
        "2023-11-14T22:13:20Z",
    )
    assert world.call("GET", f"/v2/images/{image['id']}").json() == image


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"checksum": "x"}, 403),
        ({"status": "active"}, 403),
        ({"locations": []}, 403),
        ({"os_glance_x": "y"}, 403),
        ({"owner": "bobs"}, 403),
        ({"visibility": "public"}, 403),
        ({"visibility": "all"}, 400),
        ({"disk_format": "exe"}, 400),
        ({"min_disk": -1}, 400),
        ({"min_ram": "1"}, 400),
        ({"min_ram": 2**40}, 400),
        ({"protected": "yes"}, 400),
        ({"name": "x" * 256}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"custom": 1}, 400),
        ({"custom": None}, 400),
        ({"custom": "a\0b"}, 400),
        ({"id": "../x"}, 400),
        ({f"p{n}": "x" for n in range(129)}, 413),
    ],
)
def test_what_may_not_be_said_is_refused(world: World, document: dict[str, object], status: int) -> None:
    """As a page for a person, and nothing is kept."""
    reply = world.call("POST", "/v2/images", document)
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert f"<h1>{status} " in reply.text
    assert world.listed() == []


def test_an_id_may_be_chosen_once(world: World) -> None:
    """Also after its image is deleted for clients, while its data goes."""
    chosen = str(uuid.uuid4())
    assert world.made(id=chosen) == chosen
    assert world.call("POST", "/v2/images", {"id": chosen}, as_=BOB).status == 409


def test_a_change_is_all_or_nothing(world: World) -> None:
    """The second operation fails, so the first was not."""
    image_id = world.made(name="old")
    bad = world.patch(
        image_id,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "remove", "path": "/nothing"},
    )
    assert bad.status == 409
    assert world.shown(image_id)["name"] == "old"
    good = world.patch(
        image_id,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/owner_specified.openstack.md5", "value": ""},
        {"op": "replace", "path": "/tags", "value": ["t"]},
        {"op": "replace", "path": "/visibility", "value": "community"},
    )
    assert good.status == 200
    assert (good.json()["name"], good.json()["tags"]) == ("new", ["t"])
    assert world.shown(image_id)["owner_specified.openstack.md5"] == ""


def test_owner_and_publicity_are_for_admins(world: World) -> None:
    """An owner may give their image everything but those."""
    image_id = world.made()
    for name, value in (("visibility", "public"), ("owner", "bobs")):
        change = {"op": "replace", "path": f"/{name}", "value": value}
        assert world.patch(image_id, change).status == 403
        assert world.patch(image_id, change, as_=ADMIN).status == 200
    assert world.shown(image_id)["owner"] == "bobs"


def test_protected_images_stay(world: World) -> None:
    """403 until the protection is taken away; then 404 for ever."""
    image_id = world.active(b"x", protected=True)
    assert world.call("DELETE", f"/v2/images/{image_id}").status == 403
    world.patch(image_id, {"op": "replace", "path": "/protected", "value": False})
    assert world.call("DELETE", f"/v2/images/{image_id}").status == 204
    for method in ("GET", "DELETE"):
        assert world.call(method, f"/v2/images/{image_id}").status == 404
    assert world.listed() == []


def test_images_without_a_name_in_the_path_are_not_there(world: World) -> None:
    """`DELETE /v2/images/` is what a client sends that has lost the id."""
    assert world.call("DELETE", "/v2/images/").status == 404
    assert world.call("GET", "/v2/images/").status == 404
    assert world.call("PUT", "/v2/images").status == 405


def test_readers_read(world: World) -> None:
    """The role reader sees its project's images and changes none."""
    image_id = world.made(name="x")
    assert world.listed(as_=READER) == ["x"]
    assert world.call("POST", "/v2/images", {}, as_=READER).status == 403
    assert world.call("DELETE", f"/v2/images/{image_id}", as_=READER).status == 403
    assert world.upload(image_id, b"x", as_=READER).status == 403


def test_strangers_see_versions_only(world: World) -> None:
    """Discovery is open; everything else asks for a token."""
    from cloud import call

    for path, status in (("/", 300), ("/versions", 200)):
        reply = call(world.service, "GET", path)
        assert reply.status == status
        assert [v["id"] for v in reply.json()["versions"] if v["status"] == "CURRENT"] == ["v2.15"]
    assert call(world.service, "GET", "/v2/images").status == 401


@pytest.mark.parametrize(
    "name", ["image", "images", "member", "members", "task", "tasks", "metadefs/namespaces"]
)
def test_schemas_describe_what_is_served(world: World, name: str) -> None:
    """Each has properties; the image's has every field of an image."""
    schema = world.call("GET", f"/v2/schemas/{name}").json()
    assert schema["properties"]
    if name == "image":
        shown = world.call("GET", f"/v2/images/{world.active()}").json()
        assert set(shown) <= set(schema["properties"])
        assert schema["additionalProperties"] == {"type": "string"}
    assert world.call("GET", "/v2/schemas/nothing").status == 404


def test_tags(world: World) -> None:
    """Put twice is once; what is not there cannot be taken away; there is an end to them."""
    image_id = world.made()
    for _ in range(2):
        assert world.call("PUT", f"/v2/images/{image_id}/tags/b%20%C3%A9").status == 204
    assert world.shown(image_id)["tags"] == ["b é"]
    assert world.call("DELETE", f"/v2/images/{image_id}/tags/other").status == 404
    assert world.call("DELETE", f"/v2/images/{image_id}/tags/b%20%C3%A9").status == 204
    assert world.call("PUT", f"/v2/images/{image_id}/tags/{'x' * 256}").status == 400
    many = [f"t{n}" for n in range(128)]
    world.patch(image_id, {"op": "replace", "path": "/tags", "value": many})
    assert world.call("PUT", f"/v2/images/{image_id}/tags/more").status == 413
    assert world.call("PUT", f"/v2/images/{image_id}/tags/t5").status == 204


def test_deactivated_data_is_for_admins(world: World) -> None:
    """403 for the owner until reactivated; an image without data cannot be deactivated."""
    image_id = world.active(b"secret")
    path = f"/v2/images/{image_id}"
    for _ in range(2):
        assert world.call("POST", f"{path}/actions/deactivate").status == 204
    assert world.shown(image_id)["status"] == "deactivated"
    assert world.call("GET", f"{path}/file").status == 403
    assert world.call("GET", f"{path}/file", as_=ADMIN).body == b"secret"
    assert world.call("POST", f"{path}/actions/reactivate").status == 204
    assert world.call("GET", f"{path}/file").body == b"secret"
    queued = world.made()
    assert world.call("POST", f"/v2/images/{queued}/actions/deactivate").status == 403
    assert world.call("POST", f"{path}/actions/explode").status == 404


@pytest.fixture(scope="module")
def shelf(database: object, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Five images of known names, sizes and times, which no test changes."""
    world = World(tmp_path_factory.mktemp("shelf"))
    for number, name in enumerate("abcde"):
        world.now += 100
        world.active(
            b"x" * (number + 1), name=name, tags=[f"t{number % 2}", "all"], colour="red" if number else "blue"
        )
    world.made(name="queued")
    world.made(name="hidden", os_hidden=True)
    return world


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=name:asc", "a b c d e queued"),
        ("sort_key=name&sort_dir=asc&status=active", "a b c d e"),
        ("status=active", "e d c b a"),
        ("sort_key=size&sort_dir=asc&status=active", "a b c d e"),
        ("status=in:queued,saving", "queued"),
        ("name=in:a,c", "c a"),
        ('name=in:"a","c,d"', "a"),
        ("name=b", "b"),
        ("tag=t1", "d b"),
        ("tag=t0&tag=all", "e c a"),
        ("tag=t0&tag=t1", ""),
        ("size_min=2&size_max=4", "d c b"),
        ("colour=blue", "a"),
        ("colour=red&tag=t1", "d b"),
        ("os_hidden=true", "hidden"),
        ("protected=true", ""),
        ("visibility=public", ""),
        ("visibility=shared&status=queued", "queued"),
        ("owner=bobs", ""),
        ("created_at=2023-11-14T22:15:00Z", "a"),
        ("created_at=gt:2023-11-14T22:20:00Z&status=active", "e"),
        ("created_at=gte:2023-11-14T22:20:00Z&status=active", "e d"),
        ("created_at=lt:2023-11-14T22:16:40", "a"),
        ("created_at=neq:2023-11-14T22:15:00Z&created_at=lte:2023-11-14T22:18:20Z", "c b"),
        ("disk_format=qcow2", ""),
    ],
)
def test_lists_are_filtered_and_ordered(shelf: World, query: str, names: str) -> None:
    """Each filter alone and together; the newest first unless asked."""
    assert shelf.listed(query) == names.split()


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=x", "sort_key=nothing", "sort_dir=up", "sort=name:up", "sort=name&sort_key=id",
        "visibility=mine", "status=broken", "size_min=x", "size_max=-1", "created_at=yesterday",
        "created_at=xx:2023-11-14T22:15:00Z", "marker=nothing", "member_status=perhaps", "os_hidden=perhaps",
        'name=in:"a', "min_ram=99999999999",
    ],
)  # fmt: skip
def test_queries_that_mean_nothing_are_refused(shelf: World, query: str) -> None:
    """400, not a list that is not what was asked for."""
    assert shelf.call("GET", f"/v2/images?{query}").status == 400


@pytest.mark.parametrize(
    "order",
    [
        "sort=name:asc",
        "sort=size:desc",
        "sort_key=size&sort_dir=asc",
        "sort=disk_format:asc,name:desc",
        "sort=protected:asc",
        "",
    ],
)
def test_pages_are_the_list(shelf: World, order: str) -> None:
    """By following `next` every image comes once, in the list's order, whatever has no value."""
    whole = shelf.listed(f"{order}&limit=1000")
    found, path = [], f"/v2/images?limit=2&{order}"
    while path:
        page = shelf.call("GET", path).json()
        assert len(page["images"]) <= 2
        found += [image["name"] for image in page["images"]]
        path = page.get("next", "")
    assert found == whole
    assert len(whole) == 6


def test_quotas_of_a_project(tmp_path: Path) -> None:
    """Counts and bytes; what is refused leaves nothing, and usage is told."""
    world = World(tmp_path, project_image_count=2, project_image_bytes=1 << 20)
    first, second = world.active(bytes(1 << 19)), world.made()
    assert world.call("POST", "/v2/images", {}).status == 413
    assert world.upload(second, bytes((1 << 19) + 1)).status == 413
    assert world.upload(second, bytes(1 << 19)).status == 204
    usage = world.call("GET", "/v2/info/usage").json()["usage"]
    assert usage["image_count_total"] == {"usage": 2, "limit": 2}
    assert usage["image_size_total"] == {"usage": 1, "limit": 1}
    assert world.call("DELETE", f"/v2/images/{first}").status == 204
    assert world.call("POST", "/v2/images", {}).status == 201
    assert world.call("POST", "/v2/images", {}, as_=BOB).status == 201


def test_what_is_answered_to_who_asks_for_more(world: World) -> None:
    """Stores, methods, metadata definitions: small, and true."""
    assert world.call("GET", "/v2/info/import").json()["import-methods"]["value"] == [
        "glance-direct",
        "web-download",
        "copy-image",
        "glance-download",
    ]
    assert [s["id"] for s in world.call("GET", "/v2/info/stores").json()["stores"]] == ["apus"]
    assert world.call("GET", "/v2/info/stores/detail").status == 403
    assert world.call("GET", "/v2/info/stores/detail", as_=ADMIN).status == 200
    assert world.call("GET", "/v2/metadefs/namespaces").json()["namespaces"] == []
    assert world.call("GET", "/v2/cache").status == 404
    assert world.call("GET", "/v2/tasks", as_=ALICE).status == 403
