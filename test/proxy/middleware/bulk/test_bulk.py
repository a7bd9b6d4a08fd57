"""Bulk operations that are cut off in the middle, and finished by asking again."""

from __future__ import annotations

import io
import json
import tarfile
from urllib.parse import quote

import pytest
from flat_store import FlatStore, environ_of, request

from apus.common.constraints import Constraints
from apus.proxy.middleware.bulk import Bulk, BulkConfig

NAMES = [f"c/{number}" for number in range(6)]
JSON = {"Accept": "application/json"}


def bulk(store: FlatStore, **options: int) -> Bulk:
    return Bulk(store, BulkConfig(**options), Constraints())  # type: ignore[arg-type]


def archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return held.getvalue()


@pytest.mark.parametrize("lives", range(7))
def test_an_upload_that_dies_is_finished_by_asking_again(lives: int) -> None:
    """What is stored is stored whole; the second time everything is there."""
    store = FlatStore(lives=lives)
    said = json.loads(
        request(bulk(store), "PUT", "", query={"extract-archive": "tar"}, body=archive(), headers=JSON).body
    )
    assert len(store.objects) == said["Number Files Created"] == min(lives, 6)
    assert said["Response Status"] == ("201 Created" if lives > 5 else "500 Internal Server Error")
    store.lives = None
    said = json.loads(
        request(bulk(store), "PUT", "", query={"extract-archive": "tar"}, body=archive(), headers=JSON).body
    )
    assert (said["Response Status"], said["Number Files Created"]) == ("201 Created", 6)
    assert {path: kept.body for path, kept in store.objects.items()} == dict.fromkeys(NAMES, b"abc")


@pytest.mark.parametrize("lives", range(7))
@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_a_deletion_that_dies_is_finished_by_asking_again(lives: int, concurrency: int) -> None:
    """What is gone counts as not found, and nothing else goes."""
    store = FlatStore()
    for name in [*NAMES, "c/kept"]:
        request(store, "PUT", name, body=b"1")
    store.lives = lives
    app = bulk(store, delete_concurrency=concurrency)
    body = "\n".join(NAMES).encode()
    said = json.loads(request(app, "POST", "", query={"bulk-delete": ""}, body=body, headers=JSON).body)
    assert said["Response Status"] == ("200 OK" if lives > 5 else "500 Internal Server Error")
    assert "c/kept" in store.objects
    gone = 7 - len(store.objects)
    store.lives = None
    said = json.loads(request(app, "POST", "", query={"bulk-delete": ""}, body=body, headers=JSON).body)
    assert said["Response Status"] == "200 OK"
    assert (said["Number Not Found"], said["Number Deleted"]) == (gone, 6 - gone)
    assert set(store.objects) == {"c/kept"}


def test_too_many_failures_end_it() -> None:
    """The rest is left alone, and the document says so."""
    store = FlatStore(failing=dict.fromkeys(NAMES, 503))
    app = bulk(store, max_failed_deletes=2, delete_concurrency=1, max_failed_extractions=2)
    said = json.loads(
        request(app, "POST", "", query={"bulk-delete": ""}, body="\n".join(NAMES).encode(), headers=JSON).body
    )
    assert (said["Response Status"], said["Response Body"]) == (
        "400 Bad Request",
        "Max delete failures exceeded",
    )
    assert len(said["Errors"]) == 2
    said = json.loads(
        request(app, "PUT", "", query={"extract-archive": "tar"}, body=archive(), headers=JSON).body
    )
    assert (said["Response Status"], len(said["Errors"])) == ("502 Bad Gateway", 2)


def test_metadata_for_all_files_keeps_its_bytes() -> None:
    """A name in UTF-8 is no matter of upper and lower case."""
    kept: list[dict[str, str]] = []
    store = FlatStore(asked=lambda environ: kept.append(dict(environ)))
    environ = environ_of("PUT", "", query={"extract-archive": "tar"}, body=archive(), headers=JSON)
    environ["HTTP_X_OBJECT_META_\xe8\x89\xb2"] = "\xe9\x9d\x92"
    b"".join(bulk(store)(environ, lambda *_: None))
    put = [each for each in kept if each["REQUEST_METHOD"] == "PUT"]
    assert len(put) == len(NAMES)
    assert {each["HTTP_X_OBJECT_META_\xe8\x89\xb2"] for each in put} == {"\xe9\x9d\x92"}


def test_trap_38_the_longest_names_may_be_written_byte_by_byte() -> None:
    """Percent-encoded, a byte takes three."""
    store = FlatStore()
    name = "/".join(("\u00e4" * 128, "\u00e4" * 512))
    request(store, "PUT", name)
    body = f"{quote(name, safe='')}\n{quote(name, safe='')}".encode()
    said = json.loads(
        request(bulk(store), "POST", "", query={"bulk-delete": ""}, body=body, headers=JSON).body
    )
    assert (said["Number Deleted"], said["Number Not Found"], said["Response Status"]) == (1, 1, "200 OK")
    too_long = b"%41" * 5000
    said = json.loads(
        request(bulk(store), "POST", "", query={"bulk-delete": ""}, body=too_long, headers=JSON).body
    )
    assert (said["Response Status"], said["Response Body"]) == ("400 Bad Request", "Invalid File Name")


@pytest.mark.parametrize(
    ("method", "query"), [("POST", "extract-archive"), ("PUT", "bulk-delete"), ("GET", "bulk-delete")]
)
def test_other_requests_pass(method: str, query: str) -> None:
    """Only a PUT extracts, only POST and DELETE delete."""
    store = FlatStore()
    request(bulk(store), method, "c/o", query={query: "tar"})
    assert store.seen == [(method, "c/o")]
