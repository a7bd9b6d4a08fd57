"""Static large objects: what is put, what is read back, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from hashlib import md5
from typing import Any

import pytest
from flat_store import Body, Died, FlatStore, Heard, environ_of, request

from apus.proxy.middleware.slo import SloConfig, StaticLargeObjects, with_slo_etags

PUT = {"multipart-manifest": "put"}
GET = {"multipart-manifest": "get"}
PARTS = {"s/a": b"A" * 20, "s/b": b"B" * 10, "s/c": bytes(range(30))}
WHOLE = b"".join(PARTS.values())
ETAG = md5("".join(md5(part).hexdigest() for part in PARTS.values()).encode()).hexdigest()


@pytest.fixture
def store() -> Iterator[FlatStore]:
    """A store with three segments; nobody may leave a body open in it."""
    Body.open_bodies = 0
    store = FlatStore()
    for path, body in PARTS.items():
        request(store, "PUT", path, body=body, headers={"Content-Type": "text/x"})
    yield store
    assert not Body.open_bodies


@pytest.fixture
def slo(store: FlatStore) -> StaticLargeObjects:
    """The filter before it."""
    return StaticLargeObjects(store, SloConfig())


def put(slo: StaticLargeObjects, path: str, entries: Any, **what: Any) -> Heard:
    """PUT a manifest."""
    query = {**PUT, **what.pop("query", {})}
    return request(slo, "PUT", path, body=json.dumps(entries).encode(), query=query, **what)


@pytest.fixture
def large(slo: StaticLargeObjects) -> str:
    """The large object of the three segments."""
    assert put(slo, "c/large", [{"path": f"/{path}"} for path in PARTS]).status == 201
    return "c/large"


def test_it_reads_as_its_segments_joined(slo: StaticLargeObjects, large: str) -> None:
    """Size, ETag and bytes are the large object's; the manifest's own ETag stands beside."""
    for method, body in (("GET", WHOLE), ("HEAD", b"")):
        heard = request(slo, method, large)
        assert (heard.status, heard.body) == (200, body)
        assert heard.headers["etag"] == f'"{ETAG}"'
        assert heard.headers["content-length"] == str(len(WHOLE))
        assert heard.headers["x-static-large-object"] == "True"
        assert len(heard.headers["x-manifest-etag"]) == 32
        assert not [name for name in heard.headers if "sysmeta-slo" in name]


def test_what_is_stored_is_what_stock_stores(slo: StaticLargeObjects, store: FlatStore, large: str) -> None:
    """Rows of the document, system metadata, the size in the type and the row's override: by name and form."""
    overrides: list[str] = []
    store.asked = lambda environ: overrides.append(
        environ.get("HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG", "")
    )
    entries = [{"path": "s/a", "size_bytes": "20"}, {"path": "s/c", "range": "-5"}, {"data": "aGk="}]
    assert put(slo, "c/m", entries, headers={"Content-Type": "text/plain"}).status == 201
    kept = store.objects["c/m"]
    rows = json.loads(kept.body)
    assert rows[0] == {
        "name": "/s/a",
        "bytes": 20,
        "hash": md5(PARTS["s/a"]).hexdigest(),
        "content_type": "text/x",
        "last_modified": "2023-11-14T22:13:21.000000",
    }
    assert (rows[1]["range"], rows[2]) == ("25-29", {"data": "aGk="})
    etag = kept.headers["X-Object-Sysmeta-Slo-Etag"]
    assert kept.headers["X-Object-Sysmeta-Slo-Size"] == "27"
    assert kept.headers["X-Static-Large-Object"] == "True"
    assert kept.headers["Content-Type"] == "text/plain;swift_bytes=27"
    assert overrides[-1] == f"{kept.etag}; slo_etag={etag}"
    marks = [rows[0]["hash"], f"{rows[1]['hash']}:25-29;", md5(b"hi").hexdigest()]
    assert etag == md5("".join(marks).encode()).hexdigest()


@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=0-0", 206, WHOLE[:1]),
        ("bytes=15-24", 206, WHOLE[15:25]),
        ("bytes=20-29", 206, WHOLE[20:30]),
        ("bytes=-31", 206, WHOLE[-31:]),
        ("bytes=59-", 206, WHOLE[59:]),
        ("bytes=nonsense", 200, WHOLE),
    ],
)
def test_trap_23_a_range_is_of_the_large_object(
    slo: StaticLargeObjects, large: str, header: str, status: int, expected: bytes
) -> None:
    """One range crosses segments; nonsense is ignored."""
    heard = request(slo, "GET", large, headers={"Range": header})
    assert (heard.status, heard.body) == (status, expected)
    assert heard.headers["content-length"] == str(len(expected))


def test_trap_23_slo_supports_many_ranges(slo: StaticLargeObjects, large: str) -> None:
    """They come in parts, whose frame and length agree; one that is outside is a 416."""
    heard = request(slo, "GET", large, headers={"Range": "bytes=0-4,18-21,50-"})
    assert heard.status == 206
    boundary = heard.headers["content-type"].partition("boundary=")[2].encode()
    parts = heard.body.split(b"--" + boundary)
    bodies = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]]
    assert bodies == [WHOLE[0:5], WHOLE[18:22], WHOLE[50:]]
    assert heard.headers["content-length"] == str(len(heard.body))
    outside = request(slo, "GET", large, headers={"Range": "bytes=60-"})
    assert (outside.status, outside.headers["content-range"]) == (416, "bytes */60")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": f'"{ETAG}"'}, 200),
        ({"If-Match": "other"}, 412),
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": "other"}, 200),
        ({"Range": "bytes=0-1", "If-Range": f'"{ETAG}"'}, 206),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
    ],
)
def test_trap_22_conditions_are_about_the_large_objects_etag(
    slo: StaticLargeObjects, large: str, headers: dict[str, str], status: int
) -> None:
    """Not about the manifest's; and a refusal names the right one."""
    heard = request(slo, "GET", large, headers=headers)
    assert (heard.status, heard.headers["etag"]) == (status, f'"{ETAG}"')
    if status in (304, 412):
        assert not heard.body


def test_the_manifest_itself_can_be_read(slo: StaticLargeObjects, store: FlatStore, large: str) -> None:
    """As it is stored, in JSON; or in the form in which it can be put again."""
    stored = request(slo, "GET", large, query=GET)
    assert stored.body == store.objects[large].body
    assert stored.headers["content-type"] == "application/json; charset=utf-8"
    raw = request(slo, "GET", large, query={**GET, "format": "raw"})
    assert raw.headers["etag"] == md5(raw.body).hexdigest()
    assert raw.headers["content-length"] == str(len(raw.body))
    assert [sorted(row) for row in raw.json()] == [["etag", "path", "size_bytes"]] * 3
    assert put(slo, "c/again", raw.json()).headers["etag"] == f'"{ETAG}"'


def test_part_numbers(slo: StaticLargeObjects, large: str) -> None:
    """206 and how many there are; none beyond the last; none with a range; zero and words are refused."""
    part = request(slo, "GET", large, query={"part-number": "2"})
    assert (part.status, part.body) == (206, PARTS["s/b"])
    assert (part.headers["content-range"], part.headers["x-parts-count"]) == ("bytes 20-29/60", "3")
    head = request(slo, "HEAD", large, query={"part-number": "3"})
    assert (head.status, head.headers["content-length"], head.headers["x-parts-count"]) == (206, "30", "3")
    assert request(slo, "GET", large, query={"part-number": "4"}).status == 416
    none = request(slo, "HEAD", large, query={"part-number": "4"})
    assert (none.status, none.headers["content-length"]) == (416, "0")
    for wrong in ("0", "-1", "one", "", "٣"):
        assert request(slo, "GET", large, query={"part-number": wrong}).status == 400
    both = request(slo, "GET", large, query={"part-number": "1"}, headers={"Range": "bytes=0-1"})
    assert both.status == 400
    assert request(slo, "GET", "s/a", query={"part-number": "zero"}).status == 200


def test_a_segment_may_be_a_manifest(slo: StaticLargeObjects, store: FlatStore, large: str) -> None:
    """Its size is what it stands for, and a range of it is resolved; what is not touched is not fetched."""
    entries = [{"path": "s/b"}, {"path": large, "range": "15-24"}, {"path": large}]
    assert put(slo, "c/outer", entries).status == 201
    whole = PARTS["s/b"] + WHOLE[15:25] + WHOLE
    assert request(slo, "GET", "c/outer").body == whole
    store.seen.clear()
    assert request(slo, "GET", "c/outer", headers={"Range": "bytes=3-4"}).body == whole[3:5]
    assert ("GET", large) not in store.seen


def test_manifests_nest_ten_deep_and_no_deeper(slo: StaticLargeObjects) -> None:
    """Stock's depth: the tenth is read, the eleventh is a 409."""
    before = "s/b"
    for depth in range(1, 12):
        assert put(slo, f"c/{depth}", [{"path": before}]).status == 201
        before = f"c/{depth}"
    assert request(slo, "GET", "c/10").body == PARTS["s/b"]
    assert request(slo, "GET", "c/11").status == 409


def test_trap_30_inline_data_and_objects_mix(slo: StaticLargeObjects) -> None:
    """Bytes of the manifest's own stand between objects."""
    data = base64.b64encode(b"<-->").decode()
    entries = [{"data": data}, {"path": "s/b"}, {"data": data}]
    assert put(slo, "c/mixed", entries).status == 201
    whole = b"<-->" + PARTS["s/b"] + b"<-->"
    assert request(slo, "GET", "c/mixed").body == whole
    assert request(slo, "GET", "c/mixed", headers={"Range": "bytes=2-15"}).body == whole[2:16]
    assert put(slo, "c/only", [{"data": data}]).status == 400


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ("nonsense", "must be a list"),
        ({"path": "/s/a"}, "must be a list"),
        (["x"], "not a JSON object"),
        ([{}], "expected keys"),
        ([{"path": "/s/a", "colour": 1}], "extraneous"),
        ([{"path": "/s/a", "data": "aGk="}], "extraneous"),
        ([{"path": 1}], "must be a string"),
        ([{"path": "/s"}], "does not refer to an object"),
        ([{"path": "/s/\ud800"}], "UTF-8"),
        ([{"path": "/s/a", "etag": 5}], "etag"),
        ([{"path": "/s/a", "size_bytes": "many"}], "size_bytes"),
        ([{"path": "/s/a", "size_bytes": 0}, {"path": "/s/b"}], "at least 1 byte"),
        ([{"path": "/c/self"}], "itself"),
        ([{"path": "/s/a", "range": "x"}], "invalid range"),
        ([{"path": "/s/a", "range": "0-1,3-4"}], "multiple ranges"),
        ([{"path": "/s/a", "range": "5-", "size_bytes": 3}], "unsatisfiable range"),
        ([{"data": "!"}, {"path": "/s/a"}], "base64"),
        ([{"data": ""}, {"path": "/s/a"}], "at least 1 byte"),
    ],
)
def test_trap_30_a_flawed_manifest_is_refused_and_told_why(
    slo: StaticLargeObjects, store: FlatStore, entries: Any, word: str
) -> None:
    """400 with a sentence, before any segment is looked at."""
    store.seen.clear()
    heard = put(slo, "c/self", entries)
    assert heard.status == 400
    assert word in heard.body.decode()
    assert not store.seen
    assert request(slo, "PUT", "c/self", body=b"{", query=PUT).status == 400


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"path": "/s/none"}, "404 Not Found"),
        ({"path": "/s/a", "etag": "0" * 32}, "Etag Mismatch"),
        ({"path": "/s/a", "size_bytes": 21}, "Size Mismatch"),
        ({"path": "/s/a", "range": "20-"}, "Unsatisfiable Range"),
        ({"path": "/s/empty"}, "Too small; each segment must be at least 1 byte."),
    ],
)
def test_trap_30_errors_are_listed_segment_by_segment(
    slo: StaticLargeObjects, store: FlatStore, entry: dict[str, Any], problem: str
) -> None:
    """In text, JSON and XML; nothing is stored."""
    request(store, "PUT", "s/empty")
    entries = [entry, {"path": "/s/b"}]
    text = put(slo, "c/bad", entries)
    assert (text.status, text.body.decode()) == (400, f"Errors:\n{entry['path']}, {problem}\n")
    in_json = put(slo, "c/bad", entries, headers={"Accept": "application/json"})
    assert in_json.json() == {"Errors": [[entry["path"], problem]]}
    in_xml = put(slo, "c/bad", entries, headers={"Accept": "application/xml"})
    assert f"<status>{problem}</status>" in in_xml.body.decode()
    assert "c/bad" not in store.objects


def test_trap_30_the_last_segment_may_be_empty(slo: StaticLargeObjects, store: FlatStore) -> None:
    """And adds nothing."""
    request(store, "PUT", "s/empty")
    assert put(slo, "c/x", [{"path": "s/b"}, {"path": "s/empty", "size_bytes": 0}]).status == 201
    assert request(slo, "GET", "c/x").body == PARTS["s/b"]


def test_trap_30_etags_are_compared_without_quotes_and_may_be_null(
    slo: StaticLargeObjects, large: str
) -> None:
    """A sub-manifest's ETag is shown in quotes and may be given so; null asks nothing."""
    assert (
        put(slo, "c/x", [{"path": large, "etag": f'"{ETAG}"'}, {"path": "s/a", "etag": None}]).status == 201
    )


def test_trap_30_the_etag_header_is_the_large_objects(slo: StaticLargeObjects, store: FlatStore) -> None:
    """In quotes or without, in any case; another one is 422 and nothing is stored."""
    entries = [{"path": path} for path in PARTS]
    assert put(slo, "c/x", entries, headers={"Etag": f'"{ETAG.upper()}"'}).status == 201
    assert put(slo, "c/y", entries, headers={"Etag": "0" * 32}).status == 422
    assert "c/y" not in store.objects


def test_trap_30_limits(store: FlatStore) -> None:
    """Too many segments and too long a manifest, chunked or not, are 413; neither length nor chunks is 411."""
    slo = StaticLargeObjects(store, SloConfig(max_manifest_segments=2, max_manifest_size=100))
    assert put(slo, "c/x", [{"path": "s/a"}, {"path": "s/b"}, {"data": "aGk="}]).status == 201
    assert put(slo, "c/x", [{"path": "s/a"}] * 3).status == 413
    assert put(slo, "c/x", [{"path": "s/" + "a" * 100}]).status == 413
    chunked = environ_of("PUT", "c/x", body=b" " * 101, query=PUT, headers={"Transfer-Encoding": "chunked"})
    del chunked["CONTENT_LENGTH"]
    said: list[str] = []
    list(slo(chunked, lambda status, *_: said.append(status)))
    bare = environ_of("PUT", "c/x", query=PUT)
    del bare["CONTENT_LENGTH"]
    list(slo(bare, lambda status, *_: said.append(status)))
    assert [status[:3] for status in said] == ["413", "411"]


def test_trap_30_with_heartbeat_the_status_is_in_the_body(slo: StaticLargeObjects, store: FlatStore) -> None:
    """202, white space, an empty line, and then how it went; good or bad."""
    beat = {"heartbeat": "on"}
    good = put(slo, "c/x", [{"path": path} for path in PARTS], query=beat)
    assert (good.status, good.body[:5]) == (202, b" \r\n\r\n")
    assert "Response Status: 201 Created\n" in good.body.decode()
    assert f'Etag: "{ETAG}"\n' in good.body.decode()
    bad = put(slo, "c/y", [{"path": "s/none"}], query=beat, headers={"Accept": "application/json"})
    assert bad.status == 202
    assert json.loads(bad.body)["Response Status"] == "400 Bad Request"
    assert json.loads(bad.body)["Response Body"].startswith("Bad Request\n")
    assert json.loads(bad.body)["Errors"] == [["s/none", "404 Not Found"]]
    wrong = put(slo, "c/z", [{"path": "s/a"}], query=beat, headers={"Etag": "0"})
    assert "Response Status: 422" in wrong.body.decode()
    assert {"c/y", "c/z"}.isdisjoint(store.objects)


@pytest.mark.parametrize(("status", "owed"), [(404, 409), (403, 409), (503, 503)])
def test_trap_30_trouble_with_the_first_segment_is_no_200(
    slo: StaticLargeObjects, store: FlatStore, large: str, status: int, owed: int
) -> None:
    """409 if it is not what it was, 503 if it cannot be read now."""
    store.failing["s/a"] = status
    assert request(slo, "GET", large).status == owed
    assert request(slo, "GET", large, headers={"Range": "bytes=20-"}).body == WHOLE[20:]


@pytest.mark.parametrize("body", [b"A" * 19, b"X" * 20])
def test_trap_30_a_changed_segment_is_noticed(
    slo: StaticLargeObjects, store: FlatStore, large: str, body: bytes
) -> None:
    """By its size or its ETag, though it is there."""
    request(store, "PUT", "s/a", body=body)
    assert request(slo, "GET", large).status == 409


@pytest.mark.parametrize("path", ["s/b", "s/c"])
def test_trap_30_trouble_later_breaks_the_body_off(
    slo: StaticLargeObjects, store: FlatStore, large: str, path: str
) -> None:
    """What was promised does not come, and the connection says so: iterated or moved."""
    del store.objects[path]
    for moves in (False, True):
        wire = Wire()
        body: Any = slo(environ_of("GET", large), lambda *_: None)
        with pytest.raises(Exception, match="cannot be read") as broken:
            wire.take(body, moves=moves)
        body.close()
        sent = WHOLE[: WHOLE.index(PARTS[path])]
        assert wire.taken == sent
        if moves:
            assert getattr(broken.value, "bytes_moved", None) == len(sent)


class Wire:
    """A client's connection."""

    patience_seconds = 1.0

    def __init__(self) -> None:
        self.taken = b""

    def send(self, data: bytes, _timeout_seconds: float) -> None:
        """Take it."""
        self.taken += data

    def take(self, body: Any, *, moves: bool) -> None:
        """Take a body in either way."""
        if moves:
            assert body.transfer(self) == len(self.taken)
        else:
            for piece in body:
                self.taken += piece


def test_a_large_get_is_moved_segment_by_segment(slo: StaticLargeObjects, large: str) -> None:
    """The joined body moves itself to the client's wire, several ranges too."""
    for headers in ({}, {"Range": "bytes=0-4,18-21,50-"}):
        body: Any = slo(environ_of("GET", large, headers=headers), lambda *_: None)
        moved, seen = Wire(), Wire()
        moved.take(body, moves=True)
        body.close()
        again: Any = slo(environ_of("GET", large, headers=headers), lambda *_: None)
        seen.take(again, moves=False)
        again.close()
        assert len(moved.taken) == len(seen.taken)
        if not headers:
            assert moved.taken == WHOLE


def test_an_old_manifest_without_system_metadata(
    slo: StaticLargeObjects, store: FlatStore, large: str
) -> None:
    """Size, ETag and conditions come from its rows."""
    kept = store.objects[large]
    for name in ("X-Object-Sysmeta-Slo-Etag", "X-Object-Sysmeta-Slo-Size"):
        del kept.headers[name]
    head = request(slo, "HEAD", large)
    assert (head.headers["content-length"], head.headers["etag"]) == ("60", f'"{ETAG}"')
    assert request(slo, "GET", large, headers={"If-None-Match": ETAG}).status == 304
    assert request(slo, "GET", large, headers={"If-Match": "x"}).status == 412
    assert request(slo, "GET", large, headers={"Range": "bytes=1-2"}).body == WHOLE[1:3]


def test_a_damaged_manifest_is_no_object(slo: StaticLargeObjects, store: FlatStore, large: str) -> None:
    """500 and a sentence."""
    store.objects[large].body = b"[{]"
    assert request(slo, "GET", large).status == 500


def test_the_header_is_reserved(slo: StaticLargeObjects, store: FlatStore) -> None:
    """Nobody makes a manifest by a header alone."""
    for method in ("PUT", "POST"):
        assert request(slo, method, "c/x", headers={"X-Static-Large-Object": "true"}).status == 400
    assert request(slo, "PUT", "c/x", query=PUT, headers={"X-Copy-From": "c/y"}).status == 405
    assert put(slo, "c/x", [{"path": "s/a"}], headers={"Content-Type": "a/b; swift_bytes=1"}).status == 400
    assert "c/x" not in store.objects


def test_segments_are_read_with_the_clients_rights(
    slo: StaticLargeObjects, store: FlatStore, large: str
) -> None:
    """Who may read the manifest but not its segments gets nothing."""
    store.forbidden.add("s")
    assert request(slo, "GET", large).status == 409
    assert "403 Forbidden" in put(slo, "c/x", [{"path": "s/a"}]).body.decode()


def test_trap_26_listings_show_the_large_objects_etag(slo: StaticLargeObjects, store: FlatStore) -> None:
    """`slo_etag` beside the manifest's hash; rows without are left as they are."""
    rows = [
        {"name": "a", "hash": "abc; slo_etag=def", "bytes": 5},
        {"subdir": "b/"},
        {"name": "c", "hash": "x"},
    ]
    shown = json.loads(with_slo_etags(json.dumps(rows).encode()))
    assert shown[0] == {"name": "a", "hash": "abc", "slo_etag": '"def"', "bytes": 5}
    assert shown[1:] == rows[1:]
    assert with_slo_etags(b"nonsense slo_etag") == b"nonsense slo_etag"
    assert [row["name"] for row in request(slo, "GET", "s").json()] == ["a", "b", "c"]


def test_a_plain_object_passes_untouched(slo: StaticLargeObjects) -> None:
    """Its body is the very one that the proxy gave."""
    body: Any = slo(environ_of("GET", "s/a"), lambda *_: None)
    assert type(body) is Body
    body.close()


DELETE = {"multipart-manifest": "delete"}


def delete(slo: StaticLargeObjects, path: str, **what: Any) -> dict[str, Any]:
    """Delete a large object and return what is said of it."""
    headers = {"Accept": "application/json"}
    heard = request(slo, "DELETE", path, query={**DELETE, **what}, headers=headers)
    assert heard.status == 200
    told: dict[str, Any] = heard.json()
    return told


def test_trap_30_deleting_answers_200_and_tells_in_the_body(
    slo: StaticLargeObjects, store: FlatStore, large: str
) -> None:
    """Segments and manifest are gone; once more, and nothing is found; a plain object is not deleted."""
    told = delete(slo, large)
    assert (told["Response Status"], told["Number Deleted"], told["Errors"]) == ("200 OK", 4, [])
    assert not store.objects
    assert delete(slo, large)["Number Not Found"] == 1
    request(store, "PUT", "c/plain", body=b"x" * 50)
    told = delete(slo, "c/plain")
    assert told["Errors"] == [["/c/plain", "Not an SLO manifest"]]
    assert told["Response Status"] == "400 Bad Request"
    assert "c/plain" in store.objects
    text = request(slo, "DELETE", "c/none", query=DELETE).body.decode()
    assert text.splitlines()[:2] == ["Number Deleted: 0", "Number Not Found: 1"]
    assert request(slo, "DELETE", "c/none", query=DELETE, headers={"Accept": "image/png"}).status == 406


def nested(slo: StaticLargeObjects, large: str) -> str:
    """A large object of a large object and more, some of it twice."""
    assert put(slo, "c/inner", [{"path": large}, {"path": "s/a"}, {"data": "aGk="}]).status == 201
    assert put(slo, "c/outer", [{"path": "c/inner"}, {"path": "s/b"}, {"path": large}]).status == 201
    return "c/outer"


@pytest.mark.parametrize("lives", range(8))
def test_trap_30_a_deletion_that_dies_loses_nothing_and_can_be_finished(
    slo: StaticLargeObjects, store: FlatStore, large: str, lives: int
) -> None:
    """At whichever step the process dies, asking again removes the rest."""
    outer = nested(slo, large)
    store.lives = lives
    request(slo, "DELETE", outer, query=DELETE) if lives > 5 else dying(slo, outer)
    store.lives = None
    told = delete(slo, outer)
    assert told["Errors"] == []
    assert not store.objects


def dying(slo: StaticLargeObjects, path: str) -> None:
    """Delete, and die at it."""
    with pytest.raises(Died):
        request(slo, "DELETE", path, query=DELETE)


def test_manifests_stay_while_a_segment_does(slo: StaticLargeObjects, store: FlatStore, large: str) -> None:
    """What cannot be deleted is named, and so are the manifests that still lead to it."""
    outer = nested(slo, large)
    store.failing["s/c"] = 503
    told = delete(slo, outer)
    assert told["Response Status"] == "502 Bad Gateway"
    assert told["Errors"][0] == ["/s/c", "503 Service Unavailable"]
    stay = {path for path, problem in told["Errors"] if problem == "409 Conflict"}
    assert stay == {f"/{path}" for path in (large, "c/inner", "c/outer")}
    store.failing.clear()
    assert delete(slo, outer)["Errors"] == []
    assert not store.objects


def test_trap_30_overwriting_does_not_remove_segments(
    slo: StaticLargeObjects, store: FlatStore, large: str
) -> None:
    """A plain PUT or DELETE of a manifest is about the manifest alone."""
    request(slo, "PUT", large, body=b"plain")
    assert request(slo, "GET", large).body == b"plain"
    assert request(slo, "DELETE", large).status == 204
    assert set(store.objects) == set(PARTS)
