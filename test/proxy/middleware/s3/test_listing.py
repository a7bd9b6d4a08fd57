"""Listings as S3 has them: what may be asked, what rows become, and whole pages over a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.listing import OPERATIONS
from apus.proxy.middleware.s3.listing.asked import Asked, Form, name_of_token, token_of
from apus.proxy.middleware.s3.listing.etags import ListedEtags
from apus.proxy.middleware.s3.listing.rows import Row, cut, etag, rolled_up, with_s3_etag
from apus.proxy.middleware.s3.xml import NAMESPACE, Node, read
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
FOLDED = st.text("ab/.0", min_size=1, max_size=5)
VERSIONED = parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"})
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


class Bucket:
    """A bucket c in a store."""

    def __init__(self, keys: Sequence[str] = (), *, versions: bool = False) -> None:
        self.store = KeepingStore()
        self.app: Any = VersionedWrites(Symlink(self.store, SymlinkConfig()), VERSIONED)
        headers = {"X-Versions-Enabled": "true"} if versions else {}
        assert ask(self.app, "PUT", "/v1/a/c", headers=headers).status == 201
        for key in keys:
            self.put(key)

    def put(self, key: str) -> str:
        """Store an empty object; return its version's id."""
        path = "/v1/a/c/" + key.encode().decode("latin-1")
        reply = ask(self.app, "PUT", path, environ={"CONTENT_LENGTH": "0", "CONTENT_TYPE": "text/plain"})
        assert reply.status == 201
        return reply.headers.get("x-object-version-id", "")

    def delete(self, key: str) -> str:
        """Delete an object; return its marker's id."""
        reply = ask(self.app, "DELETE", "/v1/a/c/" + key.encode().decode("latin-1"))
        return reply.headers.get("x-object-version-id", "")

    def list(self, *, bucket: str = "c", **query: str) -> Node:
        """List it, and return the document."""
        words = {name.replace("_", "-"): value for name, value in query.items()}
        operation = OPERATIONS["bucket", "GET", "versions" if "versions" in query else ""]
        answer = operation(request(self.app, "GET", bucket, query=words))
        assert answer.status == 200
        assert isinstance(answer.body, bytes)
        return read(answer.body)


def keys(document: Node) -> list[str]:
    return [each.value("Key", "") or "" for each in document.all("Contents")]


def prefixes(document: Node) -> list[str]:
    return [each.value("Prefix", "") or "" for each in document.all("CommonPrefixes")]


def versions(document: Node) -> list[tuple[str, str, str, bool]]:
    """Element, key, id and whether it is the latest."""
    return [
        (each.tag, each.value("Key") or "", each.value("VersionId") or "", each.value("IsLatest") == "true")
        for each in document
        if each.tag in ("Version", "DeleteMarker")
    ]


def folded(names: Sequence[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing shows, by its definition."""
    shown = []
    for name in sorted(names):
        if name.startswith(prefix):
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            shown.append(name if end < 0 else name[: end + len(delimiter)])
    return list(dict.fromkeys(shown))


class TestAsked:
    """Queries."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("max-keys", "-1"),
            ("max-keys", "x"),
            ("max-keys", "1.5"),
            ("max-keys", "\u0661"),
            ("max-keys", "2147483648"),
            ("max-keys", "9" * 4000),
            ("encoding-type", "base64"),
            ("prefix", "a\0"),
            ("marker", "\0"),
            ("list-type", "3"),
            ("list-type", "x"),
        ],
    )
    def test_trap_72_what_makes_no_sense_is_refused(self, name: str, value: str) -> None:
        """InvalidArgument, with its name and value."""
        with pytest.raises(S3Error) as refusal:
            Asked.of({name: value}, rows_max=1000)
        assert refusal.value.code == "InvalidArgument"
        assert refusal.value.fields == {"ArgumentName": name, "ArgumentValue": value}

    def test_trap_72_no_more_than_the_most_is_listed(self) -> None:
        """Whatever is asked for; nothing asked for is the most."""
        for text, keys_max in (
            ("", 1000),
            ("0", 0),
            ("7", 7),
            ("1000", 1000),
            ("1001", 1000),
            ("2147483647", 1000),
        ):
            assert Asked.of({"max-keys": text}, rows_max=1000).keys_max == keys_max

    @pytest.mark.parametrize("token", ["", "!", "YQ", "/w==", "AA==", "a" * 5])
    def test_trap_72_a_token_that_is_none_is_refused(self, token: str) -> None:
        """An empty one, too, as by Amazon."""
        with pytest.raises(S3Error, match="InvalidArgument"):
            Asked.of({"list-type": "2", "continuation-token": token}, rows_max=1000)

    @given(KEYS)
    def test_a_token_is_read_back(self, name: str) -> None:
        """Whatever the key."""
        assert name_of_token(token_of(name)) == name

    def test_a_token_is_stocks(self) -> None:
        """So that pages may come from either program."""
        assert token_of("a/ö") == "YS/Dtg=="

    def test_trap_72_start_after_counts_on_the_first_page_only(self) -> None:
        """A token says where the next one begins."""
        asked = Asked.of({"list-type": "2", "start-after": "b"}, rows_max=9)
        assert (asked.marker, asked.start_after, asked.with_owner) == ("b", "b", False)
        later = {"list-type": "2", "start-after": "b", "continuation-token": token_of("c")}
        assert Asked.of(later, rows_max=9).marker == "c"

    def test_owners_are_told_where_they_were_always_told(self) -> None:
        """And where they are asked for."""
        assert Asked.of({}, rows_max=9).with_owner
        assert Asked.of({"versions": ""}, rows_max=9).with_owner
        assert Asked.of({"list-type": "2", "fetch-owner": "true"}, rows_max=9).with_owner
        assert not Asked.of({"list-type": "2", "fetch-owner": "false"}, rows_max=9).with_owner

    def test_parameters_of_other_forms_mean_nothing(self) -> None:
        """A marker is no key-marker."""
        query = {"marker": "a", "key-marker": "b", "start-after": "c", "continuation-token": "!"}
        assert Asked.of(query, rows_max=9).marker == "a"
        assert Asked.of({**query, "versions": ""}, rows_max=9).marker == "b"
        assert Asked.of({**query, "versions": ""}, rows_max=9).form is Form.VERSIONS

    def test_trap_73_a_version_alone_is_no_place_to_begin(self) -> None:
        """It needs its key."""
        with pytest.raises(S3Error, match="without a key marker"):
            Asked.of({"versions": "", "version-id-marker": "null"}, rows_max=9)

    def test_trap_72_unordered_with_a_delimiter_is_refused(self) -> None:
        """As by Ceph, whose extension it is."""
        Asked.of({"allow-unordered": "true"}, rows_max=9)
        with pytest.raises(S3Error, match="InvalidArgument"):
            Asked.of({"allow-unordered": "true", "delimiter": "/"}, rows_max=9)


class TestRows:
    """Rows of the store's listings."""

    @pytest.mark.parametrize(
        ("row", "shown"),
        [
            ({"hash": "aa"}, '"aa"'),
            ({"hash": '"aa"'}, '"aa"'),
            ({"hash": "aa; s3_etag=bb-2"}, '"bb-2"'),
            ({"hash": "aa; s3_etag=bb-2", "slo_etag": '"cc"'}, '"bb-2"'),
            ({"hash": "aa", "s3_etag": '"bb-2"'}, '"bb-2"'),
            ({"hash": "aa", "slo_etag": '"cc"'}, '"cc-N"'),
            ({"hash": "aa; slo_etag=cc"}, '"cc-N"'),
            ({"hash": "aa; symlink_target=c/o"}, '"aa"'),
        ],
    )
    def test_trap_85_the_etag_is_the_one_that_s3_knows(self, row: Row, shown: str) -> None:
        """Of uploads in parts -2 and so on, of other large objects -N."""
        assert etag(row) == shown

    def test_trap_26_the_stores_own_clients_see_it_apart(self) -> None:
        """And what else was said stays where it was."""
        row = {"hash": "aa; slo_etag=cc; s3_etag=bb-2; x=y", "bytes": 1}
        assert with_s3_etag(row) == {"hash": "aa; slo_etag=cc; x=y", "s3_etag": '"bb-2"', "bytes": 1}
        assert with_s3_etag({"hash": "aa"}) == {"hash": "aa"}
        assert with_s3_etag({"subdir": "s3_etag"}) == {"subdir": "s3_etag"}

    @given(st.integers(0, 5), st.integers(0, 5))
    def test_trap_72_a_page_is_truncated_if_there_is_more(self, there: int, keys_max: int) -> None:
        """Exactly then; a page of nothing is not."""
        rows: list[Row] = [{"name": str(number)} for number in range(there)]
        page, is_truncated = cut(rows[: keys_max + 1], keys_max)
        assert page == rows[:keys_max]
        assert is_truncated == (0 < keys_max < there)

    @given(st.lists(FOLDED), FOLDED | st.just(""), st.sampled_from("ab.0/"), st.integers(1, 4))
    def test_folders_of_versions_are_shown_once(
        self, names: list[str], prefix: str, delimiter: str, wanted: int
    ) -> None:
        """However short the pages: all of them together are what they are by definition."""
        rows = [{"name": name, "version_id": str(9 - number)} for number, name in enumerate(sorted(names))]

        def fetch(marker: str, version_marker: str, limit: int) -> list[Row]:
            behind = [
                row
                for row in rows
                if row["name"].startswith(prefix)
                and (
                    row["name"] > marker
                    or (version_marker and row["name"] == marker and row["version_id"] < version_marker)
                )
            ]
            return behind[:limit]

        for number in range(len(rows)):  # Ids of a name fall, and sort as text.
            rows[number]["version_id"] = f"{len(rows) - number:04}"
        shown = rolled_up(fetch, prefix=prefix, delimiter=delimiter, marker="", wanted=wanted)
        single = [row for row in rows if row["name"].startswith(prefix)]
        expected: list[Row] = []
        for row in single:
            end = row["name"].find(delimiter, len(prefix))
            entry: Row = row if end < 0 else {"subdir": row["name"][: end + 1]}
            if entry not in expected:
                expected.append(entry)
        assert shown == expected[:wanted]


class TestObjects:
    """ListObjects and ListObjectsV2."""

    def test_trap_74_the_document(self) -> None:
        """Its namespace, and all that is said of an object."""
        bucket = Bucket(["a"])
        answer = OPERATIONS["bucket", "GET", ""](request(bucket.app, "GET", "c"))
        assert isinstance(answer.body, bytes)
        assert answer.body.startswith(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{NAMESPACE}">'.encode()
        )
        (found,) = read(answer.body).all("Contents")
        assert [each.tag for each in found] == [
            "Key",
            "LastModified",
            "ETag",
            "Size",
            "Owner",
            "StorageClass",
        ]
        assert found.value("ETag") == f'"{EMPTY_MD5}"'
        assert found.value("Size") == "0"
        assert found.value("StorageClass") == "STANDARD"
        assert (found.value("LastModified") or "").endswith(".000Z")
        (owner,) = found.all("Owner")
        assert owner.value("ID") == "a"

    def test_of_a_bucket_that_is_not_there(self) -> None:
        """NoSuchBucket."""
        for query in ({}, {"list_type": "2"}, {"versions": ""}, {"versions": "", "delimiter": "."}):
            with pytest.raises(S3Error, match="NoSuchBucket"):
                Bucket().list(bucket="d", **query)

    def test_trap_72_the_second_form_counts_what_it_shows(self) -> None:
        """Common prefixes, too."""
        document = Bucket(["a", "b/1", "b/2", "c"]).list(list_type="2", delimiter="/")
        assert (keys(document), prefixes(document)) == (["a", "c"], ["b/"])
        assert document.value("KeyCount") == "3"
        assert document.find("Owner") is None
        assert document.find("Marker") is None

    def test_trap_72_next_marker_only_with_a_delimiter(self) -> None:
        """Without one the last key tells."""
        bucket = Bucket(["a", "b/1", "b/2", "c"])
        document = bucket.list(max_keys="2")
        assert document.value("IsTruncated") == "true"
        assert document.find("NextMarker") is None
        document = bucket.list(max_keys="2", delimiter="/")
        assert document.value("NextMarker") == "b/"
        document = bucket.list(marker="b/", delimiter="/")
        assert (keys(document), prefixes(document)) == (["c"], [])
        assert document.value("IsTruncated") == "false"
        assert document.find("NextMarker") is None

    def test_trap_72_nothing_is_asked_for(self) -> None:
        """Then nothing is listed, and no page follows."""
        document = Bucket(["a"]).list(max_keys="0")
        assert (keys(document), document.value("IsTruncated")) == ([], "false")
        assert document.value("MaxKeys") == "0"

    def test_trap_72_a_blank_delimiter_is_none(self) -> None:
        """It is not echoed either."""
        document = Bucket(["a/b"]).list(delimiter="", prefix="", marker="")
        assert keys(document) == ["a/b"]
        assert document.find("Delimiter") is None

    def test_trap_69_keys_like_folders_are_keys(self) -> None:
        """Beside what seems to be in them."""
        bucket = Bucket(["a", "a/", "a/b"])
        assert keys(bucket.list()) == ["a", "a/", "a/b"]
        document = bucket.list(prefix="a/", delimiter="/")
        assert (keys(document), prefixes(document)) == (["a/", "a/b"], [])

    def test_trap_72_a_prefix_with_a_slash_matches_no_sibling(self) -> None:
        """And one that ends within a folder's name shows the folder."""
        bucket = Bucket(["foo/1", "foobar", "foo-1"])
        assert keys(bucket.list(prefix="foo/")) == ["foo/1"]
        assert prefixes(bucket.list(prefix="fo", delimiter="/")) == ["foo/"]

    def test_trap_71_names_are_encoded_where_that_is_asked_for(self) -> None:
        """All of them, and a plus sign as one: clients take a bare one for a space."""
        bucket = Bucket(["a +&ö/%/\n", "a +&ö/z", "b"])
        query = {"encoding_type": "url", "prefix": "a +", "delimiter": "ö/", "max_keys": "1"}
        document = bucket.list(**query, marker="a +%")
        assert document.value("EncodingType") == "url"
        assert document.value("Prefix") == "a%20%2B"
        assert document.value("Delimiter") == "%C3%B6/"
        assert document.value("Marker") == "a%20%2B%25"
        assert prefixes(document) == ["a%20%2B%26%C3%B6/"]
        assert keys(bucket.list(encoding_type="url")) == [
            "a%20%2B%26%C3%B6/%25/%0A",
            "a%20%2B%26%C3%B6/z",
            "b",
        ]
        document = bucket.list(encoding_type="url", list_type="2", start_after="a +")
        assert document.value("StartAfter") == "a%20%2B"

    def test_what_was_said_is_shown_again_if_it_is_empty(self) -> None:
        """Clients compare it with what they sent."""
        bucket = Bucket(["a"])
        assert bucket.list(list_type="2", start_after="").value("StartAfter") == ""
        assert bucket.list(list_type="2").find("StartAfter") is None

    def test_trap_72_what_is_echoed_is_quoted(self) -> None:
        """In a document without encoded names."""
        document = Bucket(["<&>"]).list(prefix="<&", marker='"<')
        assert document.value("Prefix") == "<&"
        assert document.value("Marker") == '"<'
        assert keys(document) == ["<&>"]

    @settings(max_examples=60, deadline=None)
    @given(st.sets(KEYS, max_size=8), st.integers(1, 3), st.booleans())
    def test_trap_70_pages_show_every_key_once(self, names: set[str], keys_max: int, is_second: bool) -> None:
        """Whatever characters they have, in the order of their bytes."""
        bucket = Bucket(sorted(names))
        seen: list[str] = []
        query = {"encoding_type": "url", "max_keys": str(keys_max), "list_type": "2" if is_second else "1"}
        while True:
            document = bucket.list(**query)
            found = [unquote_plus(key) for key in keys(document)]
            assert len(found) <= keys_max
            seen += found
            if document.value("IsTruncated") == "false":
                break
            if is_second:
                query["continuation_token"] = document.value("NextContinuationToken") or ""
            else:
                query["marker"] = found[-1]
        assert seen == sorted(names)

    @settings(max_examples=60, deadline=None)
    @given(st.sets(FOLDED, max_size=8), FOLDED | st.just(""), st.sampled_from("ab/."), st.integers(1, 3))
    def test_trap_72_a_common_prefix_is_shown_once_over_pages(
        self, names: set[str], prefix: str, delimiter: str, keys_max: int
    ) -> None:
        """Both forms agree with the definition."""
        bucket = Bucket(sorted(names))
        for form in ("1", "2"):
            query = {"prefix": prefix, "delimiter": delimiter, "max_keys": str(keys_max), "list_type": form}
            seen: list[str] = []
            while True:
                document = bucket.list(**query)
                seen += sorted(keys(document) + prefixes(document))
                if document.value("IsTruncated") == "false":
                    break
                if form == "2":
                    query["continuation_token"] = document.value("NextContinuationToken") or ""
                else:
                    query["marker"] = document.value("NextMarker") or ""
            assert seen == folded(sorted(names), prefix, delimiter)


class TestVersions:
    """ListObjectVersions."""

    def test_trap_73_markers_stand_among_versions(self) -> None:
        """Keys rise, versions fall, the newest is the latest."""
        bucket = Bucket(versions=True)
        first, marker, second = bucket.put("a"), bucket.delete("a"), bucket.put("a")
        other, other_marker = bucket.put("b"), bucket.delete("b")
        document = bucket.list(versions="")
        assert document.tag == "ListVersionsResult"
        assert versions(document) == [
            ("Version", "a", second, True),
            ("DeleteMarker", "a", marker, False),
            ("Version", "a", first, False),
            ("DeleteMarker", "b", other_marker, True),
            ("Version", "b", other, False),
        ]
        (shown, *_) = document.all("DeleteMarker")
        assert [each.tag for each in shown] == ["Key", "VersionId", "IsLatest", "LastModified", "Owner"]

    def test_trap_72_what_is_deleted_is_in_no_other_listing(self) -> None:
        """Nor is the prefix that it was the last one under."""
        bucket = Bucket(versions=True)
        bucket.put("a/b")
        bucket.delete("a/b")
        document = bucket.list(delimiter="/")
        assert (keys(document), prefixes(document)) == ([], [])
        assert prefixes(bucket.list(versions="", delimiter="/")) == ["a/"]

    def test_trap_73_objects_without_versions_are_version_null(self) -> None:
        """And the latest."""
        assert versions(Bucket(["a"]).list(versions="")) == [("Version", "a", "null", True)]

    def test_a_version_marker_that_is_none_is_refused(self) -> None:
        """By its own name."""
        with pytest.raises(S3Error) as refusal:
            Bucket(versions=True).list(versions="", key_marker="a", version_id_marker="x")
        assert refusal.value.fields["ArgumentName"] == "version-id-marker"

    @pytest.mark.parametrize("keys_max", [1, 2, 3])
    @pytest.mark.parametrize("delimiter", ["", "/", ".", "0"])
    def test_trap_73_pages_show_every_version_once(self, keys_max: int, delimiter: str) -> None:
        """With delimiters that the store can take, and those that it cannot."""
        bucket = Bucket(["a", "b.1"])
        reply = ask(bucket.app, "POST", "/v1/a/c", headers={"X-Versions-Enabled": "true"})
        assert reply.status == 204
        for key in ("b.1", "b.2", "b.2", "c/0", "c/0", "d0", "d00", "e"):
            bucket.put(key)
        bucket.delete("c/0")
        whole = bucket.list(versions="", delimiter=delimiter)
        assert whole.value("IsTruncated") == "false"
        query = {"versions": "", "delimiter": delimiter, "max_keys": str(keys_max)}
        seen: list[tuple[str, str, str, bool]] = []
        folders: list[str] = []
        while True:
            document = bucket.list(**query)
            seen += versions(document)
            folders += prefixes(document)
            if document.value("IsTruncated") == "false":
                break
            query["key_marker"] = document.value("NextKeyMarker") or ""
            query["version_id_marker"] = document.value("NextVersionIdMarker") or ""
        assert seen == versions(whole)
        assert folders == prefixes(whole)
        names = ["a", "b.1", "b.2", "c/0", "d0", "d00", "e"]
        assert sorted({*folders, *(each[1] for each in seen)}) == folded(names, "", delimiter)


class TestListedEtags:
    """What the store's own clients see."""

    def test_trap_26_rows_of_uploads_in_parts(self) -> None:
        """They have both ETags; what is no listing passes as it is."""
        rows = b'[{"name": "a", "hash": "aa; s3_etag=bb-2"}, {"name": "b", "hash": "cc"}]'

        def store(environ: Any, start_response: Any) -> Any:
            return Answer(200, {"Content-Type": "application/json"}, rows)(environ, start_response)

        app = ListedEtags(store)
        reply = ask(app, "GET", "/v1/a/c")
        assert reply.body == b'[{"name":"a","hash":"aa","s3_etag":"\\"bb-2\\""},{"name":"b","hash":"cc"}]'
        assert reply.headers["content-length"] == str(len(reply.body))
        for method, path in (
            ("GET", "/v1/a/c/o"),
            ("HEAD", "/v1/a/c"),
            ("GET", "/v1/a"),
            ("GET", "/info/a/c"),
        ):
            assert ask(app, method, path).body == (b"" if method == "HEAD" else rows)
