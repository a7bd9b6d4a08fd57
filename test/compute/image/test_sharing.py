"""Laws of who sees what: members, visibility, and projects that try."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from cloud import identity_of
from image_world import ADMIN, ALICE, BOB, World

from apus.compute.image import gallery
from apus.compute.image.access import Caller, may_see
from apus.compute.image.listing_query import ListingQuery

CAROL = identity_of("carols", user="carol")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_sharing_is_offered_and_answered(world: World) -> None:
    """A pending member can see the image by its id; its list has it once accepted, and not when rejected."""
    image_id = world.active(b"data", name="x")
    members = f"/v2/images/{image_id}/members"
    assert world.call("POST", members, {"member": "bobs"}).json()["status"] == "pending"
    assert world.call("POST", members, {"member": "bobs"}).status == 409
    assert world.call("GET", f"/v2/images/{image_id}", as_=BOB).status == 200
    assert (world.listed("", BOB), world.listed("member_status=pending", BOB)) == ([], ["x"])
    assert world.call("PUT", f"{members}/bobs", {"status": "accepted"}).status == 403
    assert world.call("PUT", f"{members}/bobs", {"status": "maybe"}, as_=BOB).status == 400
    assert world.call("PUT", f"{members}/bobs", {"status": "accepted"}, as_=BOB).status == 200
    assert world.listed("", BOB) == world.listed("visibility=shared", BOB) == ["x"]
    assert world.call("GET", f"/v2/images/{image_id}/file", as_=BOB).body == b"data"
    assert world.call("PUT", f"{members}/bobs", {"status": "rejected"}, as_=BOB).status == 200
    assert (world.listed("", BOB), world.listed("member_status=all", BOB)) == ([], ["x"])
    assert world.call("DELETE", f"{members}/bobs", as_=BOB).status == 403
    assert world.call("DELETE", f"{members}/bobs").status == 204
    assert world.call("DELETE", f"{members}/bobs").status == 404
    assert world.call("GET", f"/v2/images/{image_id}", as_=BOB).status == 404


def test_members_see_themselves_only(world: World) -> None:
    """Whom else an image is shared with is the owner's affair."""
    image_id = world.active()
    members = f"/v2/images/{image_id}/members"
    for project in ("bobs", "carols"):
        world.call("POST", members, {"member": project})
    assert [m["member_id"] for m in world.call("GET", members).json()["members"]] == ["bobs", "carols"]
    assert [m["member_id"] for m in world.call("GET", members, as_=BOB).json()["members"]] == ["bobs"]
    assert world.call("GET", f"{members}/carols", as_=BOB).status == 404
    assert world.call("PUT", f"{members}/carols", {"status": "accepted"}, as_=BOB).status == 404
    assert world.call("POST", members, {"member": "daves"}, as_=BOB).status == 403
    assert world.call("GET", f"{members}/bobs", as_=BOB).json()["schema"] == "/v2/schemas/member"


@pytest.mark.parametrize("visibility", ["private", "community", "public"])
def test_only_shared_images_have_members(world: World, visibility: str) -> None:
    """403 for the others, to add and to list."""
    image_id = world.made()
    world.patch(image_id, {"op": "replace", "path": "/visibility", "value": visibility}, as_=ADMIN)
    members = f"/v2/images/{image_id}/members"
    assert world.call("POST", members, {"member": "bobs"}).status == 403
    assert world.call("GET", members).status == 403
    assert world.call("POST", members, {"member": ""}).status == 400


def test_there_is_an_end_to_members(tmp_path: Path) -> None:
    """413 beyond the quota."""
    world = World(tmp_path, image_member_quota=1)
    members = f"/v2/images/{world.made()}/members"
    assert world.call("POST", members, {"member": "a"}).status == 200
    assert world.call("POST", members, {"member": "b"}).status == 413


def test_no_project_reaches_anothers_images(world: World) -> None:
    """Every operation on a private image is 404 for others, as if it were not there."""
    ids = [world.active(b"secret", name="mine", visibility=v) for v in ("private", "shared")]
    nothing = world.call("GET", "/v2/images/00000000-0000-0000-0000-000000000000", as_=BOB)
    for image_id in ids:
        path = f"/v2/images/{image_id}"
        replies = [
            world.call("GET", path, as_=BOB),
            world.call("HEAD", path, as_=BOB),
            world.call("GET", f"{path}/file", as_=BOB),
            world.call("DELETE", path, as_=BOB),
            world.patch(image_id, {"op": "replace", "path": "/name", "value": "x"}, as_=BOB),
            world.upload(image_id, b"x", as_=BOB),
            world.upload(image_id, b"x", as_=BOB, stage=True),
            world.call("POST", f"{path}/import", {"method": {"name": "glance-direct"}}, as_=BOB),
            world.call("GET", f"{path}/members", as_=BOB),
            world.call("POST", f"{path}/members", {"member": "bobs"}, as_=BOB),
            world.call("PUT", f"{path}/members/bobs", {"status": "accepted"}, as_=BOB),
            world.call("PUT", f"{path}/tags/x", as_=BOB),
            world.call("DELETE", f"{path}/tags/x", as_=BOB),
            world.call("POST", f"{path}/actions/deactivate", as_=BOB),
            world.call("GET", f"{path}/tasks", as_=BOB),
        ]
        assert {reply.status for reply in replies} == {404}
        assert replies[0].text.replace(image_id, "ID") == nothing.text.replace(
            "0" * 8 + "-0000-0000-0000-" + "0" * 12, "ID"
        )
    for query in (
        "",
        "visibility=all",
        "visibility=private",
        "owner=alices",
        "member_status=all",
        "name=mine",
    ):
        assert world.listed(query, BOB) == []
    assert world.call("GET", f"/v2/images?marker={ids[0]}", as_=BOB).status == 400
    assert world.call("GET", f"/v2/images/{ids[0]}/file").body == b"secret"


def test_seen_is_not_changed(world: World) -> None:
    """Public and community images are for reading: 403 for every change by others."""
    for visibility in ("public", "community"):
        image_id = world.active(b"x")
        world.patch(image_id, {"op": "replace", "path": "/visibility", "value": visibility}, as_=ADMIN)
        path = f"/v2/images/{image_id}"
        assert world.call("GET", f"{path}/file", as_=BOB).body == b"x"
        for reply in (
            world.call("DELETE", path, as_=BOB),
            world.patch(image_id, {"op": "replace", "path": "/name", "value": "x"}, as_=BOB),
            world.call("PUT", f"{path}/tags/x", as_=BOB),
            world.call("POST", f"{path}/actions/deactivate", as_=BOB),
            world.upload(image_id, b"y", as_=BOB),
        ):
            assert reply.status == 403


def test_lists_and_ids_agree(world: World) -> None:
    """SQL's view of what a project sees is `may_see`'s, for every visibility, member and caller."""
    answers = (None, "pending", "accepted", "rejected")
    for visibility, status in itertools.product(("private", "shared", "community", "public"), answers):
        image_id = world.made(name=f"{visibility}-{status}")
        if status:
            world.call("POST", f"/v2/images/{image_id}/members", {"member": "bobs"})
            world.call("PUT", f"/v2/images/{image_id}/members/bobs", {"status": status}, as_=BOB)
        world.patch(image_id, {"op": "replace", "path": "/visibility", "value": visibility}, as_=ADMIN)
    query = ListingQuery.of([("visibility", "all"), ("member_status", "all"), ("limit", "1000")])
    for identity in (ALICE, BOB, CAROL, ADMIN):
        caller = Caller(str(identity.project_id), "admin" in identity.roles)
        with world.catalogue.read() as connection:
            listed = {image.id for image in gallery.page(connection, caller, query)}
            seen = {
                image.id
                for image in gallery.all_of(connection)
                if may_see(caller, image, gallery.membership(connection, image.id, caller.project_id))
            }
        assert listed == seen


def test_others_community_images_are_listed_when_asked_for(world: World) -> None:
    """They are everybody's to use and nobody's default list."""
    world.made(name="c", visibility="community")
    assert world.listed() == ["c"]
    assert world.listed("", BOB) == []
    assert world.listed("visibility=community", BOB) == world.listed("visibility=all", BOB) == ["c"]
