"""Versions as X-Versions-Enabled has them kept: hidden data, links at the names, delete markers, listings."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import Died, KeepingStore
from one_request import Reply, ask

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.common.timestamp import TICKS_MAX, Timestamp
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig
from apus.proxy.middleware.versioned_writes.copies import DELETE_MARKER_TYPE
from apus.proxy.middleware.versioned_writes.names import (
    after_versions,
    container_of,
    hidden_container,
    version_name,
    version_of,
    versions_prefix,
)

HIDDEN = "\0versions\0c"
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
ALLOWED = {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"}
CONFIG = parse(VersionedWritesConfig, ALLOWED)


def versioned(*, enabled: bool = True) -> tuple[KeepingStore, VersionedWrites]:
    """A store with a container c, with versions enabled."""
    store = KeepingStore()
    app = VersionedWrites(Symlink(store, SymlinkConfig()), CONFIG)
    headers = {"X-Versions-Enabled": "true"} if enabled else {}
    assert ask(app, "PUT", "/v1/a/c", headers=headers).status == 201
    return store, app


def put(app: Any, body: bytes, name: str = "o", query: str = "", **headers: str) -> Reply:
    return ask(
        app,
        "PUT",
        f"/v1/a/c/{name}",
        body=body,
        query=query,
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        environ={"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain; charset=x"},
    )


def new(app: Any, body: bytes, name: str = "o") -> str:
    """PUT, and return the version's id."""
    reply = put(app, body, name)
    assert reply.status == 201
    return reply.headers["x-object-version-id"]


def get(app: Any, name: str = "o", version: str = "", method: str = "GET") -> Reply:
    return ask(app, method, f"/v1/a/c/{name}", query=f"version-id={version}" if version else "")


def delete(app: Any, name: str = "o", version: str = "") -> Reply:
    return get(app, name, version, "DELETE")


def suspend(app: Any) -> None:
    assert ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "false"}).status == 204


def versions(app: Any, **query: str) -> list[tuple[str, str, bool]]:
    """List names, ids and which is the latest; subdirs have no id."""
    words = "&".join(["versions", *(f"{key}={value}" for key, value in query.items())])
    reply = ask(app, "GET", "/v1/a/c", query=words)
    assert reply.status == 200, reply.text
    return [
        (row["name"], row["version_id"], row["is_latest"]) if "name" in row else (row["subdir"], "", False)
        for row in json.loads(reply.body)
    ]


def kept(store: KeepingStore) -> list[bytes]:
    """The bodies of all versions in the hidden container, the newest of each name first."""
    return [store.objects[HIDDEN, name].body for name in store.names(HIDDEN)]


class TestNames:
    """Where versions are found again, by either program."""

    def test_they_are_stocks(self) -> None:
        """NUL before each piece, and moments that count backwards."""
        assert hidden_container("c") == "\0versions\0c"
        assert version_name("o", "1700000000.00001") == "\0o\08299999999.99998"

    @given(NAMES, st.integers(0, TICKS_MAX - 1))
    def test_they_are_read_back(self, name: str, ticks: int) -> None:
        """Name and id of a version, and the parent of a hidden container."""
        version_id = Timestamp(ticks).normal
        assert version_of(version_name(name, version_id)) == (name, version_id)
        assert container_of(hidden_container(name)) == name

    @given(NAMES, NAMES, st.integers(0, TICKS_MAX - 1))
    def test_trap_25_versions_sort_as_their_objects_do(self, name: str, other: str, ticks: int) -> None:
        """By bytes of the name first, then the newest first; a marker stands before or behind all of a name."""
        version = version_name(name, Timestamp(ticks).normal)
        assert versions_prefix(name) < version < after_versions(name)
        if other != name:
            assert (other < name) == (after_versions(other) < version) == (versions_prefix(other) < version)
        if ticks:
            assert version < version_name(name, Timestamp(ticks - 1).normal)


class TestContainers:
    """Enabling, suspending, removing."""

    def test_the_hidden_container_is_made_and_named(self) -> None:
        """As stock names it, with its parent's policy; clients see that versions are enabled."""
        store, app = versioned()
        assert store.containers["c"]["x-container-sysmeta-versions-container"] == "%00versions%00c"
        assert store.containers["c"]["x-container-sysmeta-versions-enabled"] == "True"
        assert store.containers[HIDDEN]["x-storage-policy"] == "gold"
        assert ask(app, "HEAD", "/v1/a/c").headers["x-versions-enabled"] == "True"
        suspend(app)
        assert ask(app, "GET", "/v1/a/c").headers["x-versions-enabled"] == "False"

    def test_who_may_not_makes_nothing(self) -> None:
        """The client's rights are asked before there is a hidden container, or none any more."""
        store, app = versioned(enabled=False)
        forbidding = {"apus.authorize": lambda _environ: Answer(403)}
        wish = {"X-Versions-Enabled": "true"}
        assert ask(app, "POST", "/v1/a/c", headers=wish, environ=dict(forbidding)).status == 403
        assert HIDDEN not in store.containers
        ask(app, "POST", "/v1/a/c", headers=wish)
        assert ask(app, "POST", "/v1/a/c", headers=wish, environ=dict(forbidding)).status == 403
        assert ask(app, "DELETE", "/v1/a/c", environ=dict(forbidding)).status == 403
        assert HIDDEN in store.containers

    def test_a_missing_container_gets_no_hidden_one(self) -> None:
        """404 for a POST, and nothing is left behind."""
        store, app = versioned()
        assert ask(app, "POST", "/v1/a/none", headers={"X-Versions-Enabled": "true"}).status == 404
        assert "\0versions\0none" not in store.containers

    def test_the_two_forms_exclude_each_other(self) -> None:
        """400, whichever came first."""
        _, app = versioned()
        assert ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": "old"}).status == 400
        assert ask(app, "PUT", "/v1/a/d", headers={"X-History-Location": "old"}).status == 201
        assert ask(app, "POST", "/v1/a/d", headers={"X-Versions-Enabled": "true"}).status == 400

    def test_trap_32_it_stays_while_it_has_versions(self) -> None:
        """409, and once they are gone both containers go."""
        store, app = versioned()
        version_id = new(app, b"1")
        delete(app)
        assert ask(app, "DELETE", "/v1/a/c").status == 409
        for _, each, _ in versions(app):
            assert delete(app, version=each).status == 204
        assert version_id not in [each for _, each, _ in versions(app)]
        assert ask(app, "DELETE", "/v1/a/c").status == 204
        assert store.containers == {}

    def test_objects_without_version_keep_both_containers(self) -> None:
        """409 from the container itself; what belongs to it is not removed first."""
        store, app = versioned()
        suspend(app)
        put(app, b"1")
        assert ask(app, "DELETE", "/v1/a/c").status == 409
        assert HIDDEN in store.containers

    def test_its_bytes_are_those_of_all_versions(self) -> None:
        """What is hidden counts where clients look."""
        _, app = versioned()
        new(app, b"12345")
        new(app, b"123")
        for method in ("HEAD", "GET"):
            headers = ask(app, method, "/v1/a/c").headers
            assert headers["x-container-bytes-used"] == "8"
            assert headers["x-container-object-count"] == "1"

    def test_accounts_show_the_bytes_and_not_the_hidden_container(self) -> None:
        """Under their parents' names; under a name of its own where there is no parent any more."""
        store, app = versioned()
        new(app, b"12345")
        new(app, b"123")
        ask(app, "PUT", "/v1/a/b")
        shown = json.loads(ask(app, "GET", "/v1/a").body)
        assert [(row["name"], row["bytes"], row["count"]) for row in shown] == [("b", 0, 0), ("c", 8, 1)]
        del store.containers["c"]
        shown = json.loads(ask(app, "GET", "/v1/a", query="reverse=on").body)
        assert [(row["name"], row["bytes"], row["count"]) for row in shown] == [("c", 8, 0), ("b", 0, 0)]


class TestWriting:
    """PUT, POST and DELETE of the current object."""

    def test_a_put_makes_a_version_and_a_link(self) -> None:
        """The link says what it leads to, a least moment after the data."""
        store, app = versioned()
        version_id = new(app, b"one")
        link = store.objects["c", "o"]
        data = store.objects[HIDDEN, version_name("o", version_id)]
        assert (data.body, link.body) == (b"one", b"")
        assert link.moment == Timestamp(data.moment.ticks, 1)
        said = {name.removeprefix("x-object-sysmeta-"): value for name, value in link.headers.items()}
        inverted = version_name("o", version_id).rpartition("\0")[2]
        assert said["symlink-target"] == f"%00versions%00c/%00o%00{inverted}"
        assert (said["symlink-target-bytes"], said["symlink-target-etag"]) == ("3", data.headers["etag"])
        assert said["versions-symlink"] == said["symloop-extend"] == said["allow-reserved-names"] == "true"
        assert link.headers["content-type"] == "text/plain"
        assert put(app, b"two").headers["etag"] == "b8a9f715dbb64fd5c56e7783c6820a61"

    def test_the_length_of_a_chunked_body_is_counted(self) -> None:
        """The row must say how large the version is."""
        store, app = versioned()
        chunked = {"wsgi.input": io.BytesIO(b"1234567"), "HTTP_TRANSFER_ENCODING": "chunked"}
        assert ask(app, "PUT", "/v1/a/c/o", environ=chunked).status == 201
        assert store.objects["c", "o"].headers["x-object-sysmeta-symlink-target-bytes"] == "7"

    def test_the_type_is_guessed_from_the_clients_name(self) -> None:
        """Not from the one under which it is kept."""
        _, app = versioned()
        ask(app, "PUT", "/v1/a/c/page.html", body=b"x")
        assert get(app, "page.html").headers["content-type"] == "text/html"

    def test_a_static_link_is_a_version_with_its_targets_type(self) -> None:
        """As where no versions are kept; the name leads to the link, and that to its target."""
        _, app = versioned()
        etag = put(app, b"12345", "target").headers["etag"]
        headers = {"X-Symlink-Target": "c/target", "X-Symlink-Target-Etag": etag}
        reply = ask(app, "PUT", "/v1/a/c/o", headers=headers, environ={"CONTENT_LENGTH": "0"})
        assert reply.status == 201
        read = get(app)
        assert (read.body, read.headers["content-type"]) == (b"12345", "text/plain; charset=x")
        link = ask(app, "HEAD", "/v1/a/c/o", query="symlink=get").headers
        assert link["content-type"] == "text/plain"
        new(app, b"another", "target")
        assert get(app).status == 409
        new(app, b"no link")
        version_id = reply.headers["x-object-version-id"]
        assert put(app, b"", query=f"version-id={version_id}").status == 201
        assert get(app).status == 409

    def test_a_broken_link_from_before_is_kept_as_it_is(self) -> None:
        """Nobody asks whether its target is there, in order to overwrite it."""
        store, app = versioned(enabled=False)
        etag = put(app, b"12345", "target").headers["etag"]
        headers = {"X-Symlink-Target": "c/target", "X-Symlink-Target-Etag": etag}
        ask(app, "PUT", "/v1/a/c/o", headers=headers, environ={"CONTENT_LENGTH": "0"})
        delete(app, "target")
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        new(app, b"2")
        kept_link = store.objects[HIDDEN, store.names(HIDDEN)[-1]].headers
        assert kept_link["x-object-sysmeta-symlink-target"] == "c/target"
        assert kept_link["x-object-sysmeta-symlink-target-etag"] == etag

    def test_expiry_ends_the_name_and_not_the_version(self) -> None:
        """X-Delete-At is the link's."""
        store, app = versioned()
        put(app, b"x", X_Delete_At="9999999999", X_Object_Meta_A="1")
        (name,) = store.names(HIDDEN)
        assert "x-delete-at" not in store.objects[HIDDEN, name].headers
        assert store.objects[HIDDEN, name].headers["x-object-meta-a"] == "1"
        assert store.objects["c", "o"].headers["x-delete-at"] == "9999999999"

    def test_trap_32_a_manifest_is_kept_as_manifest(self) -> None:
        """The link has the whole object's size, and none of what would make it a manifest (lp 1840322)."""
        store, app = versioned()
        large = {
            "X_Static_Large_Object": "True",
            "X_Object_Sysmeta_Slo_Size": "12345",
            "X_Object_Sysmeta_Slo_Etag": "abc",
        }
        version_id = put(app, b"[{}]", **large).headers["x-object-version-id"]
        link = store.objects["c", "o"].headers
        assert "x-static-large-object" not in link
        assert "x-object-sysmeta-slo-etag" not in link
        assert link["x-object-sysmeta-symlink-target-bytes"] == "12345"
        new(app, b"2")
        put(app, b"", query=f"version-id={version_id}")
        link = store.objects["c", "o"].headers
        assert link["x-object-sysmeta-symlink-target-bytes"] == "12345"
        (row,) = json.loads(ask(app, "GET", "/v1/a/c").body)
        assert row["bytes"] == 12345
        assert row["hash"].replace(" ", "") == f"{link['x-object-sysmeta-symlink-target-etag']};slo_etag=abc"

    def test_an_object_from_before_is_kept_first(self) -> None:
        """Copied under its own moment; then it is a version like any other."""
        store, app = versioned(enabled=False)
        put(app, b"before")
        moment = store.objects["c", "o"].moment.normal
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        assert versions(app) == [("o", "null", True)]
        version_id = new(app, b"after")
        assert versions(app) == [("o", version_id, True), ("o", moment, False)]
        assert get(app, version=moment).body == b"before"

    def test_trap_5_a_put_without_length_is_411(self) -> None:
        """As in any container (lp 2081103)."""
        store, app = versioned()
        assert ask(app, "PUT", "/v1/a/c/o").status == 411
        assert kept(store) == []

    def test_a_put_that_must_not_overwrite_leaves_no_version(self) -> None:
        """412 before anything is stored; and where the race is lost later, the version goes again."""
        store, app = versioned()
        assert put(app, b"1", If_None_Match="*").status == 201
        assert put(app, b"2", If_None_Match="*").status == 412
        assert kept(store) == [b"1"]
        store.failing["PUT", "/v1/a/c/p"] = 412
        assert put(app, b"2", "p", If_None_Match="*").status == 412
        assert kept(store) == [b"1"]

    @pytest.mark.parametrize(("status", "answer"), [(503, 503), (404, 500), (422, 422), (413, 413)])
    def test_what_cannot_be_stored_changes_nothing(self, status: int, answer: int) -> None:
        """The client hears what it can mend; a hidden container that is gone is said to be."""
        store, app = versioned()
        new(app, b"1")
        moment = "1999999999.00000"
        store.failing["PUT", f"/v1/a/{HIDDEN}/{version_name('o', moment)}"] = status
        assert put(app, b"2", X_Timestamp=moment).status == answer
        assert get(app).body == b"1"

    def test_trap_16_what_cannot_be_read_is_not_overwritten(self) -> None:
        """503 while the current object can't be had: it may have to be kept."""
        store, app = versioned()
        store.failing["GET", "/v1/a/c/o"] = 503
        assert put(app, b"2").status == 503
        assert delete(app).status == 503
        assert kept(store) == []

    def test_a_post_reaches_the_version(self) -> None:
        """202, and no version more."""
        store, app = versioned()
        new(app, b"1")
        assert ask(app, "POST", "/v1/a/c/o", headers={"X-Object-Meta-A": "1"}).status == 202
        assert get(app).headers["x-object-meta-a"] == "1"
        assert len(kept(store)) == 1

    def test_trap_32_a_delete_leaves_a_marker(self) -> None:
        """204 with the marker's id; the object is gone, its versions are not."""
        _, app = versioned()
        version_id = new(app, b"1")
        reply = delete(app)
        marker = reply.headers["x-object-version-id"]
        assert reply.status == 204
        assert get(app).status == 404
        assert get(app, version=version_id).body == b"1"
        gone = get(app, version=marker)
        assert (gone.status, gone.headers["content-type"]) == (404, DELETE_MARKER_TYPE)
        assert gone.headers["x-object-version-id"] == marker
        assert versions(app) == [("o", marker, True), ("o", version_id, False)]

    def test_suspended_nothing_is_kept_and_nothing_lost(self) -> None:
        """PUT and DELETE are those of an ordinary container; versions from before stay."""
        _, app = versioned()
        version_id = new(app, b"1")
        suspend(app)
        assert "x-object-version-id" not in put(app, b"2").headers
        assert get(app).headers["x-object-version-id"] == "null"
        assert versions(app) == [("o", "null", True), ("o", version_id, False)]
        assert delete(app).status == 204
        assert versions(app) == [("o", version_id, False)]

    @pytest.mark.parametrize("step", range(8))
    def test_a_crash_between_version_and_link_loses_nothing(self, step: int) -> None:
        """Wherever it ends, what was there is read as before or as a version; asking again finishes it."""
        store, app = versioned(enabled=False)
        put(app, b"one")
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        with store.dying_at(step):
            put(app, b"two")
        found = {get(app, version=version_id).body for _, version_id, _ in versions(app)}
        assert b"one" in found | {get(app).body}
        new(app, b"two")
        assert get(app).body == b"two"
        assert b"one" in kept(store)

    @pytest.mark.parametrize("step", range(6))
    def test_a_crash_while_deleting_loses_nothing(self, step: int) -> None:
        """A marker may be there with the object; asking again ends with the object gone, its data kept."""
        store, app = versioned(enabled=False)
        put(app, b"one")
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        with store.dying_at(step):
            delete(app)
        assert delete(app).status in (204, 404)
        assert get(app).status == 404
        assert b"one" in kept(store)


class TestVersions:
    """Requests with version-id."""

    def test_each_is_read_by_its_id(self) -> None:
        """And the current one says its own, with where that is."""
        _, app = versioned()
        first, second = new(app, b"1"), new(app, b"22")
        assert get(app, version=first).body == b"1"
        assert get(app, version=first, method="HEAD").headers["x-object-version-id"] == first
        reply = get(app)
        assert (reply.body, reply.headers["x-object-version-id"]) == (b"22", second)
        assert reply.headers["content-location"] == f"/v1/a/c/o?version-id={second}"
        link = ask(app, "HEAD", "/v1/a/c/o", query="symlink=get")
        assert link.headers["x-symlink-target"] == f"c/o?version-id={second}"
        assert get(app, version="1600000000.00000").status == 404

    def test_trap_32_version_null_is_the_object_without_version(self) -> None:
        """404 where the current one has an id."""
        _, app = versioned(enabled=False)
        put(app, b"0")
        assert get(app, version="null").body == b"0"
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        assert get(app, version="null").headers["x-object-version-id"] == "null"
        new(app, b"1")
        assert get(app, version="null").status == 404

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
    def test_nonsense_is_400(self, method: str) -> None:
        """What is no id, and any id where there never were versions."""
        _, app = versioned()
        for version in ("soon", "-1", "1.2_3", "1700000000.00000_0000000000000001"):
            assert get(app, version=version, method=method).status == 400
        ask(app, "PUT", "/v1/a/plain")
        assert ask(app, method, "/v1/a/plain/o", query="version-id=1700000000.00000").status == 400

    def test_trap_32_put_and_post_with_an_id(self) -> None:
        """400 for a POST, for a body and for null; a PUT without body leads the name back to a version."""
        _, app = versioned()
        first = new(app, b"1")
        second = new(app, b"22")
        by_first = f"version-id={first}"
        assert ask(app, "POST", "/v1/a/c/o", query=by_first).status == 400
        assert put(app, b"x", query=by_first).status == 400
        assert put(app, b"", query="version-id=null").status == 400
        assert put(app, b"", query="version-id=1600000000.00000").status == 404
        reply = put(app, b"", query=by_first)
        assert (reply.status, reply.headers["x-object-version-id"]) == (201, first)
        assert get(app).body == b"1"
        assert versions(app) == [("o", second, False), ("o", first, True)]

    def test_a_delete_marker_is_not_restored(self) -> None:
        """404: the name can't lead to nothing."""
        _, app = versioned()
        new(app, b"1")
        marker = delete(app).headers["x-object-version-id"]
        assert put(app, b"", query=f"version-id={marker}").status == 404
        assert get(app).status == 404

    def test_trap_32_a_version_is_deleted_alone(self) -> None:
        """204 without a marker; only with the current one goes the name (lp 2158890)."""
        _, app = versioned()
        first, second = new(app, b"1"), new(app, b"22")
        reply = delete(app, version=first)
        assert (reply.status, reply.headers["x-object-version-id"]) == (204, first)
        assert reply.headers["x-object-current-version-id"] == second
        assert get(app).body == b"22"
        reply = delete(app, version=second)
        assert (reply.status, reply.headers["x-object-current-version-id"]) == (204, "null")
        assert get(app).status == 404
        assert versions(app) == []
        assert delete(app, version=second).status == 404

    @pytest.mark.parametrize("step", range(3))
    def test_a_crash_while_deleting_the_current_version_is_finished(self, step: int) -> None:
        """The name goes first: it never leads to what is gone, and asking again removes the rest."""
        _, app = versioned()
        store = app.app.app  # type: ignore[attr-defined]
        version_id = new(app, b"1")
        store.dies_at = step
        with pytest.raises(Died):
            delete(app, version=version_id)
        store.dies_at = None
        assert get(app).status in (200, 404)
        assert delete(app, version=version_id).status == 204
        assert (store.names("c"), store.names(HIDDEN)) == ([], [])

    @pytest.mark.parametrize(("header", "left"), [("Versions", [b"1"]), ("History", [])])
    def test_trap_32_version_null_of_an_archived_object(self, header: str, left: list[bytes]) -> None:
        """Is the object: it is archived, or what it replaced is brought back; no other id has a meaning."""
        store, app = versioned(enabled=False)
        ask(app, "PUT", "/v1/a/old")
        ask(app, "POST", "/v1/a/c", headers={f"X-{header}-Location": "old"})
        put(app, b"1")
        put(app, b"2")
        assert delete(app, version="1700000000.00000").status == 400
        assert delete(app, version="null").status == 204
        assert [store.objects["c", name].body for name in store.names("c")] == left
        archived = [store.objects["old", name].body for name in store.names("old")]
        assert archived == ([] if left else [b"1", b"2", b""])

    def test_trap_32_a_preflight_is_the_containers(self) -> None:
        """OPTIONS goes to the object's own path (lp 2162973)."""
        store, app = versioned()
        version_id = new(app, b"1")
        get(app, version=version_id, method="OPTIONS")
        assert store.seen[-1] == ("OPTIONS", "/v1/a/c/o")


class TestListings:
    """GET ?versions."""

    def test_ordinary_listings_show_what_links_lead_to(self) -> None:
        """Size and hash of the version, and the path that a client can ask for."""
        _, app = versioned()
        version_id = new(app, b"12345")
        (row,) = json.loads(ask(app, "GET", "/v1/a/c").body)
        assert row["bytes"] == 5
        assert row["hash"] == "827ccb0eea8a706c4c34a16891f84e7b"
        assert row["symlink_path"] == f"/v1/a/c/o?version-id={version_id}"
        assert not {"symlink_etag", "symlink_bytes"} & row.keys()

    def test_trap_26_all_versions_with_their_facts(self) -> None:
        """As JSON only; the same columns as any object's row, name as the client knows it."""
        _, app = versioned()
        version_id = new(app, b"1")
        reply = ask(app, "GET", "/v1/a/c", query="versions")
        (row,) = json.loads(reply.body)
        assert b"u0000" not in reply.body
        assert (row["bytes"], row["version_id"], row["content_type"]) == (
            1,
            version_id,
            "text/plain; charset=x",
        )
        assert row["is_latest"] is True
        refused = ask(app, "GET", "/v1/a/c", query="versions", headers={"Accept": "text/xml"})
        assert refused.status == 406

    def test_a_container_without_versions_lists_null(self) -> None:
        """Whoever always asks for versions sees the objects."""
        _, app = versioned(enabled=False)
        put(app, b"1")
        assert versions(app) == [("o", "null", True)]

    @pytest.mark.parametrize(
        "query",
        ["version_marker=1.0", "version_marker=x&marker=o", "delimiter=1", "delimiter=.", "delimiter=a%00"],
    )
    def test_nonsense_is_refused(self, query: str) -> None:
        """400."""
        _, app = versioned()
        assert ask(app, "GET", "/v1/a/c", query=f"versions&{query}").status == 400

    def history(self) -> tuple[VersionedWrites, list[tuple[str, str, bool]]]:
        """Names in every state: null and versions, deleted, restored, suspended, deleted twice."""
        _, app = versioned(enabled=False)
        put(app, b"0", "a")
        put(app, b"0", "e/1")
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        restored = new(app, b"1", "b")
        for name in ("a", "b", "c", "d", "d", "e/1", "e/2", "f"):
            new(app, b"12", name)
        for name in ("c", "d", "d"):
            delete(app, name)
        put(app, b"", "b", query=f"version-id={restored}")
        new(app, b"123", "b2")
        suspend(app)
        put(app, b"0", "a")
        put(app, b"0", "g")
        delete(app, "f")
        return app, versions(app)

    def test_the_whole_is_in_order(self) -> None:
        """Names by their bytes, null first, then the newest first; one latest a name, unless it was lost."""
        _, whole = self.history()
        names = [name for name, _, _ in whole]
        assert names == sorted(names)
        for name in set(names):
            ids = [each for other, each, _ in whole if other == name]
            latest = [flag for other, _, flag in whole if other == name]
            dated = [each for each in ids if each != "null"]
            assert dated == sorted(dated, reverse=True)
            assert ids[len(ids) - len(dated) :] == dated
            assert sum(latest) == (name != "f")
        assert [flag for name, _, flag in whole if name == "b"] == [False, True]
        assert [flag for name, _, flag in whole if name == "d"] == [True, False, False, False]

    @pytest.mark.parametrize("limit", range(1, 8))
    @pytest.mark.parametrize("reverse", [False, True])
    def test_trap_32_pages_are_the_whole_without_gap(self, limit: int, *, reverse: bool) -> None:
        """By marker and version_marker, null among them, in either direction (lp 2146885, lp 1863841)."""
        app, whole = self.history()
        direction = {"reverse": "on"} if reverse else {}
        found: list[tuple[str, str, bool]] = []
        place: dict[str, str] = {}
        while page := versions(app, limit=str(limit), **place, **direction):
            assert len(page) <= limit
            found += page
            place = {"marker": page[-1][0], "version_marker": page[-1][1]}
        assert found == (whole[::-1] if reverse else whole)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_marker_alone_passes_over_all_versions_of_its_name(self, *, reverse: bool) -> None:
        """Exclusive, as in any listing; end_marker and prefix, too."""
        app, whole = self.history()
        direction = {"reverse": "on"} if reverse else {}
        beyond = [row for row in whole if (row[0] < "c" if reverse else row[0] > "c")]
        assert versions(app, marker="c", **direction) == (beyond[::-1] if reverse else beyond)
        before = [row for row in whole if (row[0] > "c" if reverse else row[0] < "c")]
        assert versions(app, end_marker="c", **direction) == (before[::-1] if reverse else before)
        under = [row for row in whole if row[0].startswith("b")]
        assert versions(app, prefix="b", **direction) == (under[::-1] if reverse else under)

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_trap_25_a_subdir_is_shown_once(self, limit: int, *, reverse: bool) -> None:
        """Whatever it is made of, and though a page ends with it."""
        app, whole = self.history()
        expected = [row for row in whole if not row[0].startswith("e/")]
        expected.insert([row[0] < "e/" for row in expected].index(False), ("e/", "", False))
        direction = {"reverse": "on"} if reverse else {}
        found: list[tuple[str, str, bool]] = []
        place: dict[str, str] = {}
        while page := versions(app, limit=str(limit), delimiter="/", **place, **direction):
            found += page
            last = page[-1]
            place = {"marker": last[0], **({"version_marker": last[1]} if last[1] else {})}
        assert found == (expected[::-1] if reverse else expected)

    def test_a_link_to_nothing_is_shown(self) -> None:
        """Where the version's row is missing, the link's own facts stand in for it."""
        store, app = versioned()
        version_id = new(app, b"123")
        del store.objects[HIDDEN, version_name("o", version_id)]
        assert versions(app) == [("o", version_id, True)]


def test_a_plain_container_costs_nothing_more() -> None:
    """One request behind the filter, the client's own."""
    store, app = versioned()
    ask(app, "PUT", "/v1/a/plain")
    for method in ("PUT", "GET", "HEAD", "POST", "DELETE"):
        store.seen.clear()
        ask(app, method, "/v1/a/plain/o", environ={"CONTENT_LENGTH": "0"})
        assert len(store.seen) == 1


@pytest.mark.parametrize("query", ["", "?", "version-id=", "version-id"])
def test_no_id_is_the_current_version(query: str) -> None:
    """As if nothing had been said."""
    _, app = versioned()
    new(app, b"1")
    assert ask(app, "GET", "/v1/a/c/o", query=query).body == b"1"
