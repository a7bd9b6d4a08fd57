"""Versions in an archive container, as X-Versions-Location and X-History-Location have them kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import Reply, ask

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.common.timestamp import TICKS_MAX, Timestamp
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig
from apus.proxy.middleware.versioned_writes.copies import DELETE_MARKER_TYPE
from apus.proxy.middleware.versioned_writes.names import archive_name, archive_prefix, is_archived

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


def archiving(header: str = "X-Versions-Location", **allowed: str) -> tuple[KeepingStore, VersionedWrites]:
    """A store whose container c archives in `old`."""
    store = KeepingStore()
    app = VersionedWrites(store, parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", **allowed}))
    for name, headers in (("old", {}), ("c", {header: "old"})):
        assert ask(app, "PUT", f"/v1/a/{name}", headers=headers).status == 201
    return store, app


def put(app: Any, body: bytes, name: str = "o", **headers: str) -> Reply:
    return ask(
        app,
        "PUT",
        f"/v1/a/c/{name}",
        body=body,
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        environ={"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain"},
    )


def delete(app: Any, name: str = "o") -> Reply:
    return ask(app, "DELETE", f"/v1/a/c/{name}")


def bodies(store: KeepingStore, container: str = "old") -> list[bytes]:
    """What a container holds, by its names' order."""
    return [store.objects[container, name].body for name in store.names(container)]


class TestNames:
    """Where versions are found again, by either program."""

    def test_the_archive_has_stocks_names(self) -> None:
        """Length in bytes as three hexadecimal digits, the name, the moment."""
        assert archive_name("a/b", Timestamp.parse("1700000000.12345")) == "003a/b/1700000000.12345"
        assert archive_prefix("é") == "002é/"

    @given(NAMES, NAMES, st.integers(0, TICKS_MAX - 1))
    def test_trap_32_no_name_shares_anothers_archive(self, name: str, other: str, ticks: int) -> None:
        """A version is found under its own object's prefix only, however the names begin (lp 2158794)."""
        archived = archive_name(name, Timestamp(ticks))
        assert is_archived(archived, name)
        assert is_archived(archived, other) == (name == other)

    def test_trap_32_an_upload_of_ones_own_is_no_version(self) -> None:
        """What lies in the archive container under a similar name is never put back."""
        assert not is_archived("001o/backup", "o")
        assert not is_archived("001o/1700000000.00000/more", "o")


class TestLocations:
    """What a container says."""

    @pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
    def test_clients_see_what_they_have_set(self, header: str) -> None:
        """Stored as system metadata, shown under the name of its form, on HEAD and GET alike."""
        store, app = archiving(header)
        mode = "history" if "History" in header else "stack"
        assert store.containers["c"]["x-container-sysmeta-versions-location"] == "old"
        assert store.containers["c"]["x-container-sysmeta-versions-mode"] == mode
        for method in ("HEAD", "GET"):
            shown = ask(app, method, "/v1/a/c").headers
            assert {name for name in shown if name.endswith("-location")} >= {header.lower()}
            assert shown[header.lower()] == "old"

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Remove-Versions-Location": "x"},
            {"X-Remove-History-Location": "x"},
            {"X-Versions-Location": ""},
            {"X-History-Location": ""},
        ],
    )
    def test_it_is_taken_back(self, headers: dict[str, str]) -> None:
        """By removal or an empty value; nothing is kept from then on."""
        store, app = archiving()
        ask(app, "POST", "/v1/a/c", headers=headers)
        assert "x-versions-location" not in ask(app, "HEAD", "/v1/a/c").headers
        put(app, b"1")
        put(app, b"2")
        assert store.names("old") == []

    @pytest.mark.parametrize("sent", ["%C3%A4lt", "\u00c3\u00a4lt"])
    def test_a_name_comes_encoded_or_as_it_is(self, sent: str) -> None:
        """Percent-encoded or in UTF-8, shown as it came."""
        store, app = archiving()
        store.containers["ält"] = {}
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": sent})
        assert ask(app, "HEAD", "/v1/a/c").headers["x-versions-location"] == sent
        put(app, b"1")
        put(app, b"2")
        assert bodies(store, "ält") == [b"1"]

    def test_setting_is_stronger_than_removing(self) -> None:
        """Both in one request set."""
        store, app = archiving()
        headers = {"X-Remove-Versions-Location": "x", "X-History-Location": "other"}
        ask(app, "POST", "/v1/a/c", headers=headers)
        assert store.containers["c"]["x-container-sysmeta-versions-location"] == "other"

    def test_both_forms_at_once_are_refused(self) -> None:
        """400, and an empty one of the two does not count."""
        _, app = archiving()
        both = {"X-Versions-Location": "a", "X-History-Location": "b"}
        assert ask(app, "POST", "/v1/a/c", headers=both).status == 400
        assert ask(app, "POST", "/v1/a/c", headers={**both, "X-Versions-Location": ""}).status == 204
        assert ask(app, "HEAD", "/v1/a/c").headers["x-history-location"] == "b"

    def test_a_slash_is_refused(self) -> None:
        """412: a container is named, no object."""
        _, app = archiving()
        assert ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": "a/b"}).status == 412

    def test_it_can_be_forbidden(self) -> None:
        """412 for who sets one, and what was set before does nothing."""
        store, _ = archiving()
        app = VersionedWrites(store, parse(VersionedWritesConfig, {"allow_versioned_writes": "no"}))
        assert ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": "old"}).status == 412
        put(app, b"1")
        put(app, b"2")
        assert store.names("old") == []

    @pytest.mark.parametrize(("allowed", "kept"), [("", 1), ("yes", 1), ("no", 0)])
    def test_a_location_from_long_ago_counts_unless_it_is_forbidden(self, allowed: str, kept: int) -> None:
        """Container servers kept X-Versions-Location themselves once."""
        store = KeepingStore({"c": {"x-versions-location": "old"}, "old": {}})
        app = VersionedWrites(store, parse(VersionedWritesConfig, {"allow_versioned_writes": allowed}))
        put(app, b"1")
        put(app, b"2")
        assert len(store.names("old")) == kept


class TestOverwriting:
    """PUT into a versioned container."""

    def test_what_is_overwritten_is_archived(self) -> None:
        """With its type, metadata and moment; the first PUT has nothing to archive."""
        store, app = archiving()
        put(app, b"one", X_Object_Meta_A="1")
        assert store.names("old") == []
        moment = store.objects["c", "o"].moment
        assert put(app, b"two").status == 201
        assert store.names("old") == [archive_name("o", moment)]
        kept = store.objects["old", archive_name("o", moment)]
        assert (kept.body, kept.headers["x-object-meta-a"]) == (b"one", "1")
        assert kept.headers["content-type"] == "text/plain"
        assert store.objects["c", "o"].body == b"two"

    def test_trap_32_a_manifest_is_archived_as_manifest(self) -> None:
        """Its own bytes and system metadata, and the row says how large the whole is (lp 1840322)."""
        store, app = archiving()
        large = {
            "X_Static_Large_Object": "True",
            "X_Object_Sysmeta_Slo_Size": "12345",
            "X_Object_Sysmeta_Slo_Etag": "abc",
        }
        put(app, b"[{}]", **large)
        put(app, b"2")
        (name,) = store.names("old")
        kept = store.objects["old", name]
        assert kept.body == b"[{}]"
        assert kept.headers["x-static-large-object"] == "True"
        assert kept.headers["x-object-sysmeta-slo-etag"] == "abc"
        assert kept.headers["content-type"] == "text/plain; swift_bytes=12345"

    def test_trap_16_what_cannot_be_read_is_not_overwritten(self) -> None:
        """503 while the current version can't be had: it may be there."""
        store, app = archiving()
        put(app, b"1")
        store.failing["GET", "/v1/a/c/o"] = 503
        assert put(app, b"2").status == 503
        assert delete(app).status == 204  # Nothing is archived yet: this is an ordinary DELETE.
        assert bodies(store) == []

    @pytest.mark.parametrize(("status", "answer"), [(503, 503), (404, 412), (403, 412)])
    def test_what_cannot_be_archived_is_not_overwritten(self, status: int, answer: int) -> None:
        """412 where the archive is the client's to mend, 503 where it is ours."""
        store, app = archiving()
        put(app, b"1")
        archived = archive_name("o", store.objects["c", "o"].moment)
        store.failing["PUT", f"/v1/a/old/{archived}"] = status
        assert put(app, b"2").status == answer
        assert bodies(store, "c") == [b"1"]

    def test_trap_5_a_put_without_length_is_411(self) -> None:
        """As in any container (lp 2081103); nothing is archived for it."""
        store, app = archiving()
        put(app, b"1")
        assert ask(app, "PUT", "/v1/a/c/o").status == 411
        assert store.names("old") == []

    def test_a_put_that_must_not_overwrite_archives_nothing(self) -> None:
        """412 for If-None-Match: * where something is."""
        store, app = archiving()
        assert put(app, b"1", If_None_Match="*").status == 201
        assert put(app, b"2", If_None_Match="*").status == 412
        assert store.names("old") == []

    def test_who_may_not_write_has_nothing_archived(self) -> None:
        """The client's rights are asked before anything is done on its behalf."""
        store, app = archiving()
        put(app, b"1")
        seen = len(store.seen)
        forbidding = {"apus.authorize": lambda _environ: Answer(403), "CONTENT_LENGTH": "1"}
        for method in ("PUT", "DELETE"):
            assert ask(app, method, "/v1/a/c/o", body=b"2", environ=dict(forbidding)).status == 403
        assert len(store.seen) == seen

    @pytest.mark.parametrize("step", range(6))
    def test_a_crash_between_archive_and_overwrite_loses_nothing(self, step: int) -> None:
        """Wherever it ends, every version is there, and asking again finishes it with one copy of each."""
        store, app = archiving()
        put(app, b"one")
        put(app, b"two")
        with store.dying_at(step):
            put(app, b"three")
        assert {b"one", b"two"} <= {*bodies(store), *bodies(store, "c")}
        if bodies(store, "c") != [b"three"]:
            put(app, b"three")
        assert bodies(store) == [b"one", b"two"]
        assert bodies(store, "c") == [b"three"]


class TestGoingBack:
    """DELETE with X-Versions-Location."""

    def test_trap_32_a_delete_brings_back_the_one_before(self) -> None:
        """Until nothing is left: then it is an ordinary DELETE."""
        store, app = archiving()
        for body in (b"1", b"2", b"3"):
            put(app, body)
        for body, left in ((b"2", [b"1"]), (b"1", [])):
            assert delete(app).status == 204
            assert bodies(store, "c") == [body]
            assert bodies(store) == left
        assert delete(app).status == 204
        assert bodies(store, "c") == []
        assert delete(app).status == 404

    def test_trap_32_it_never_takes_anothers_version(self) -> None:
        """Names that begin alike are different objects (lp 2158794)."""
        store, app = archiving()
        for name in ("o", "o/o", "oo"):
            put(app, b"first " + name.encode(), name)
            put(app, b"second", name)
        assert delete(app, "o").status == 204
        assert store.objects["c", "o"].body == b"first o"
        assert len(store.names("old")) == 2

    def test_a_long_history_is_read_page_by_page(self) -> None:
        """What isn't a version is passed over."""
        store, app = archiving()
        put(app, b"1")
        put(app, b"2")
        ask(app, "PUT", "/v1/a/old/001o/9999999999.mine", body=b"mine", environ={"CONTENT_LENGTH": "4"})
        assert delete(app).status == 204
        assert store.objects["c", "o"].body == b"1"
        assert bodies(store) == [b"mine"]

    def test_a_missing_archive_is_an_empty_one(self) -> None:
        """The DELETE is an ordinary one; but an archive that can't be reached is not believed empty."""
        store, app = archiving()
        put(app, b"1")
        store.failing["GET", "/v1/a/old"] = 503
        assert delete(app).status == 503
        assert bodies(store, "c") == [b"1"]
        del store.failing["GET", "/v1/a/old"], store.containers["old"]
        assert delete(app).status == 204
        assert bodies(store, "c") == []

    @pytest.mark.parametrize("step", range(7))
    def test_a_crash_while_going_back_loses_nothing(self, step: int) -> None:
        """The version is in one of the two places at any moment; asking again brings it back."""
        store, app = archiving()
        put(app, b"1")
        put(app, b"2")
        with store.dying_at(step):
            delete(app)
        assert b"1" in {*bodies(store), *bodies(store, "c")}
        if store.names("old"):
            assert delete(app).status == 204
        assert bodies(store, "c") == [b"1"]
        assert bodies(store) == []


class TestHistory:
    """DELETE with X-History-Location."""

    def test_trap_32_a_delete_leaves_a_marker(self) -> None:
        """The current version is archived, then a marker; the name is gone from the container."""
        store, app = archiving("X-History-Location")
        put(app, b"1")
        put(app, b"2")
        assert delete(app).status == 204
        assert bodies(store, "c") == []
        assert bodies(store) == [b"1", b"2", b""]
        assert store.objects["old", store.names("old")[-1]].headers["content-type"] == DELETE_MARKER_TYPE

    def test_a_marker_is_undone_when_the_form_changes(self) -> None:
        """With X-Versions-Location a DELETE takes back the marker, and brings back what it hid."""
        store, app = archiving("X-History-Location")
        put(app, b"1")
        delete(app)
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": "old"})
        assert delete(app).status == 204
        assert bodies(store, "c") == [b"1"]
        assert bodies(store) == []

    def test_what_was_written_after_a_marker_is_deleted_first(self) -> None:
        """The state before it was: deleted."""
        store, app = archiving("X-History-Location")
        put(app, b"1")
        delete(app)
        ask(app, "POST", "/v1/a/c", headers={"X-Versions-Location": "old"})
        put(app, b"2")
        assert delete(app).status == 204
        assert bodies(store, "c") == []
        assert bodies(store) == [b"1", b""]

    @pytest.mark.parametrize("step", range(6))
    def test_a_crash_while_deleting_loses_nothing(self, step: int) -> None:
        """The version is archived before anything is removed."""
        store, app = archiving("X-History-Location")
        put(app, b"1")
        with store.dying_at(step):
            delete(app)
        assert b"1" in {*bodies(store), *bodies(store, "c")}
        if store.names("c"):
            assert delete(app).status == 204
        assert bodies(store)[0] == b"1"
        assert bodies(store)[-1] == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_reading_and_describing_cost_nothing_more(method: str) -> None:
    """One request behind the filter, the client's own."""
    store, app = archiving()
    put(app, b"1")
    store.seen.clear()
    ask(app, method, "/v1/a/c/o")
    assert len(store.seen) == 1
