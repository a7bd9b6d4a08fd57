"""The clients that people already have, unmodified: swift, its library, rclone, restic and curl."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import swiftclient
import trees
from programs import REMOTE, curl, installed, rclone, restic, run, swift
from store import Client, Store

SEGMENT_BYTES = 1 << 20


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    return trees.odd_names(tmp_path / "planted")


@pytest.fixture
def bucket(client: Client) -> Iterator[str]:
    """A container name whose container (and segments) will be gone."""
    with client.container() as name:
        yield name
        client.clear(f"{name}_segments")


class TestSwiftCommand:
    """python-swiftclient's `swift`."""

    def test_a_tree_with_odd_names_comes_back(
        self, store: Store, client: Client, bucket: str, planted: Path, tmp_path: Path
    ) -> None:
        """upload, list, download: every byte of every file under its own name."""
        swift(store, "upload", bucket, ".", cwd=planted)
        back = tmp_path / "back"
        back.mkdir()
        swift(store, "download", bucket, "--output-dir", str(back), cwd=tmp_path)
        assert trees.digests(back) == trees.digests(planted)
        assert set(client.names_in(bucket)) == set(trees.digests(planted))

    def test_an_unchanged_file_is_skipped(
        self, store: Store, client: Client, bucket: str, planted: Path
    ) -> None:
        """`upload --skip-identical` compares what the store says with what is here."""
        swift(store, "upload", bucket, "..dots", cwd=planted)
        before = client.head(bucket, "..dots").headers["x-timestamp"]
        swift(store, "upload", "--skip-identical", bucket, "..dots", cwd=planted)
        assert client.head(bucket, "..dots").headers["x-timestamp"] == before

    def test_a_large_file_goes_up_in_segments(self, store: Store, bucket: str, tmp_path: Path) -> None:
        """`upload -S` makes a large object of whatever kind the store offers, download puts it together."""
        if not {"slo", "dlo"} & store.connection().get_capabilities().keys():
            pytest.skip("this store offers no large objects")
        trees.big_file(tmp_path / "big", 3 * SEGMENT_BYTES + 17)
        swift(store, "upload", "-S", str(SEGMENT_BYTES), bucket, "big", cwd=tmp_path)
        swift(store, "download", bucket, "big", "--output", str(tmp_path / "back"), cwd=tmp_path)
        assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()

    def test_stat_post_copy_and_delete(self, store: Store, bucket: str, planted: Path) -> None:
        """The everyday commands."""
        swift(store, "upload", bucket, "..dots", cwd=planted)
        swift(store, "post", bucket, "..dots", "-m", "Colour:red")
        said = swift(store, "stat", bucket, "..dots")
        assert "Meta Colour: red" in said
        swift(store, "post", bucket, "--read-acl", ".r:*")
        assert ".r:*" in swift(store, "stat", bucket)
        assert bucket in swift(store, "list")
        assert "Containers:" in swift(store, "stat")
        swift(store, "delete", bucket, "..dots")
        assert swift(store, "list", bucket) == ""

    def test_capabilities_and_auth(self, store: Store) -> None:
        """What the client asks before it does anything."""
        assert json.loads(swift(store, "capabilities", "--json"))["swift"]["max_file_size"]
        assert "OS_AUTH_TOKEN=" in swift(store, "auth")

    def test_a_whole_container_goes(self, store: Store, client: Client, planted: Path) -> None:
        """It takes the objects, then the container."""
        swift(store, "upload", "test-to-delete", ".", cwd=planted)
        swift(store, "delete", "test-to-delete")
        assert client.head("test-to-delete").status == 404


class TestSwiftLibrary:
    """python-swiftclient as a library."""

    def test_round_trip(self, store: Store, bucket: str) -> None:
        """put, head, get, post, delete."""
        connection = store.connection()
        etag = connection.put_object(bucket, "ö/name", contents=b"content", content_type="text/x")
        headers, body = connection.get_object(bucket, "ö/name")
        assert (headers["etag"], headers["content-type"], body) == (etag, "text/x", b"content")
        connection.post_object(bucket, "ö/name", {"X-Object-Meta-Word": "wert ß"})
        assert connection.head_object(bucket, "ö/name")["x-object-meta-word"] == "wert ß"
        connection.delete_object(bucket, "ö/name")
        with pytest.raises(swiftclient.ClientException) as refused:
            connection.head_object(bucket, "ö/name")
        assert refused.value.http_status == 404

    def test_streams_in_and_out(self, store: Store, bucket: str) -> None:
        """Without a length in, in pieces out."""
        connection = store.connection()
        connection.put_object(bucket, "stream", contents=iter([b"a" * 100_000, b"b" * 100_000]))
        _, pieces = connection.get_object(bucket, "stream", resp_chunk_size=10_000)
        assert b"".join(pieces) == b"a" * 100_000 + b"b" * 100_000

    def test_full_listings_page_by_themselves(self, store: Store, bucket: str) -> None:
        """full_listing asks until nothing is left."""
        connection = store.connection()
        for number in range(7):
            connection.put_object(bucket, f"{number}", contents=b"x")
        _, rows = connection.get_container(bucket, limit=3, full_listing=True)
        assert [row["name"] for row in rows] == [str(number) for number in range(7)]


class TestRclone:
    """rclone's swift backend."""

    def test_a_tree_with_odd_names_comes_back(
        self, store: Store, bucket: str, planted: Path, tmp_path: Path
    ) -> None:
        """Copy up, check, copy down: identical, also by rclone's own count."""
        rclone(store, "copy", str(planted), f"{REMOTE}:{bucket}")
        rclone(store, "check", str(planted), f"{REMOTE}:{bucket}")
        rclone(store, "copy", f"{REMOTE}:{bucket}", str(tmp_path / "back"))
        assert trees.digests(tmp_path / "back") == trees.digests(planted)

    def test_sync_removes_what_is_gone(
        self, store: Store, client: Client, bucket: str, planted: Path
    ) -> None:
        """It makes the store like the folder, and a second one does nothing."""
        rclone(store, "sync", str(planted), f"{REMOTE}:{bucket}")
        (planted / "..dots").unlink()
        (planted / "added").write_bytes(b"new")
        rclone(store, "sync", str(planted), f"{REMOTE}:{bucket}")
        names = set(client.names_in(bucket))
        assert "added" in names
        assert "..dots" not in names

    def test_it_moves_reads_and_purges(self, store: Store, client: Client, tmp_path: Path) -> None:
        """rcat, cat, lsjson, deletefile, purge."""
        (tmp_path / "file").write_bytes(b"words")
        rclone(store, "copyto", str(tmp_path / "file"), f"{REMOTE}:test-rclone/sub/file")
        assert rclone(store, "cat", f"{REMOTE}:test-rclone/sub/file") == "words"
        (row,) = json.loads(rclone(store, "lsjson", "-R", "--files-only", f"{REMOTE}:test-rclone"))
        assert (row["Path"], row["Size"]) == ("sub/file", 5)
        rclone(store, "purge", f"{REMOTE}:test-rclone")
        assert client.head("test-rclone").status == 404

    def test_a_large_file_is_copied_within_the_store(
        self, store: Store, client: Client, bucket: str, tmp_path: Path
    ) -> None:
        """Segment by segment, by COPY; what is the same already is left alone; a smaller file leaves no segment."""
        chunks = ("--swift-chunk-size", "1Mi")
        big = trees.big_file(tmp_path / "tree" / "big", 3 * SEGMENT_BYTES + 17)
        rclone(store, "sync", *chunks, str(big.parent), f"{REMOTE}:{bucket}")
        assert len(client.names_in(f"{bucket}_segments")) == 4
        written = client.head(bucket, "big").headers["x-timestamp"]
        rclone(store, "sync", *chunks, str(big.parent), f"{REMOTE}:{bucket}")
        assert client.head(bucket, "big").headers["x-timestamp"] == written
        rclone(store, "copyto", *chunks, f"{REMOTE}:{bucket}/big", f"{REMOTE}:{bucket}/sub/copy")
        assert client.get(bucket, "sub/copy").body == big.read_bytes()
        assert len(client.names_in(f"{bucket}_segments")) == 8
        trees.big_file(big, 1000, seed=1)
        rclone(store, "sync", *chunks, str(big.parent), f"{REMOTE}:{bucket}")
        assert client.names_in(bucket) == ["big"]
        assert client.names_in(f"{bucket}_segments") == []
        assert client.get(bucket, "big").body == big.read_bytes()

    def test_a_stream_goes_up_in_segments(self, store: Store, client: Client, bucket: str) -> None:
        """Rcat does not know how much will come."""
        text = "".join(f"line {number}\n" for number in range(200_000))
        rclone(store, "rcat", "--swift-chunk-size", "1Mi", f"{REMOTE}:{bucket}/stream", text=text)
        assert client.get(bucket, "stream").text == text
        assert (
            rclone(store, "cat", "--offset", "1048570", "--count", "12", f"{REMOTE}:{bucket}/stream")
            == (text[1048570:1048582])
        )


class TestRestic:
    """restic's backups, by its own backend and through rclone."""

    @pytest.mark.parametrize("repository", ["swift:{}:/backups", f"rclone:{REMOTE}:{{}}/backups"])
    def test_a_backup_comes_back(
        self, store: Store, client: Client, bucket: str, planted: Path, tmp_path: Path, repository: str
    ) -> None:
        """Init, back up twice, check every byte, restore, forget and prune."""

        def backups(*words: str) -> str:
            place = repository.format(bucket)
            return restic(store, place, *words, cache=tmp_path / "cache", cwd=planted)

        backups("init")
        backups("backup", ".")
        (planted / "..dots").unlink()
        trees.big_file(planted / "added", 3 << 20)
        backups("backup", ".")
        backups("forget", "--keep-last", "1", "--prune")
        assert "no errors were found" in backups("check", "--read-data")
        backups("restore", "latest", "--target", str(tmp_path / "back"))
        assert trees.digests(tmp_path / "back") == trees.digests(planted)
        (snapshot,) = json.loads(backups("snapshots", "--json"))
        stored = [name for name in client.names_in(bucket) if name.startswith("backups/snapshots/")]
        assert [name.rpartition("/")[2] for name in stored] == [snapshot["id"]]


class TestCurl:
    """curl, as in every tutorial."""

    def test_the_tutorial(self, store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
        """Log in, upload a file, download a part of it, look at the headers."""
        (tmp_path / "file").write_bytes(b"0123456789")
        token = f"X-Auth-Token: {client.headers['X-Auth-Token']}"
        url = f"{store.endpoint}{client.path(bucket, 'a file')}"
        said = curl("-i", store.auth_url, "-H", "X-Auth-User: test:tester", "-H", "X-Auth-Key: testing")
        assert "x-storage-url:" in said.lower()
        code = ("-o", "/dev/null", "-w", "%{http_code}")
        assert curl("-T", str(tmp_path / "file"), "-H", token, *code, url) == "201"
        assert curl("-H", token, "-r", "2-4", url) == "234"
        assert "Content-Length: 10" in curl("-I", "-H", token, url).title()
        assert curl("-X", "DELETE", "-H", token, *code, url) == "204"

    def test_expect_and_chunked(self, store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
        """It asks before it sends a large body, and streams what it reads from a pipe."""
        trees.big_file(tmp_path / "file", 3 << 20)
        token = f"X-Auth-Token: {client.headers['X-Auth-Token']}"
        for name, options in (
            ("expected", ("-H", "Expect: 100-continue")),
            ("chunked", ("-H", "Transfer-Encoding: chunked")),
        ):
            url = f"{store.endpoint}{client.path(bucket, name)}"
            curl("--fail", "-T", str(tmp_path / "file"), "-H", token, *options, url)
            assert client.get(bucket, name).body == (tmp_path / "file").read_bytes()

    def test_it_resumes_and_copies(self, store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
        """A broken download goes on where it stopped; what has not changed is not sent; COPY stays in the store."""
        whole = trees.big_file(tmp_path / "whole", 100_000).read_bytes()
        token = f"X-Auth-Token: {client.headers['X-Auth-Token']}"
        url = f"{store.endpoint}{client.path(bucket, 'file')}"
        curl("--fail", "-T", str(tmp_path / "whole"), "-H", token, url)
        part = tmp_path / "part"
        part.write_bytes(whole[:40_000])
        curl("--fail", "-C", "-", "-o", str(part), "-H", token, url)
        assert part.read_bytes() == whole
        code = ("-o", str(tmp_path / "none"), "-w", "%{http_code} %{size_download}")
        etag = client.head(bucket, "file").headers["etag"]
        assert curl(*code, "-H", token, "-H", f'If-None-Match: "{etag}"', url) == "304 0"
        assert curl(*code, "-H", token, "-z", "1 Jan 2038", url) == "304 0"
        curl("--fail", "-X", "COPY", "-H", token, "-H", f"Destination: {bucket}/a%20copy", url)
        assert client.get(bucket, "a copy").body == whole

    def test_a_form_and_a_tarball(self, store: Store, client: Client, bucket: str, planted: Path) -> None:
        """`-F` fills in a form that its owner signed; what `tar` packs is unpacked on the way in."""
        client.post(bucket, headers={"X-Container-Meta-Temp-URL-Key": "secret"})
        url = f"{store.endpoint}{client.path(bucket)}"
        expires = str(int(time.time()) + 600)
        signed = "\n".join((f"{client.path(bucket)}/form/", "", "10000", "2", expires))
        fields = {
            "redirect": "",
            "max_file_size": "10000",
            "max_file_count": "2",
            "expires": expires,
            "signature": hmac.new(b"secret", signed.encode(), "sha256").hexdigest(),
            "file1": f"@{planted / '..dots'};type=text/odd",
        }
        words = [word for name, value in fields.items() for word in ("-F", f"{name}={value}")]
        curl("--fail", *words, f"{url}/form/")
        assert client.get(bucket, "form/..dots").body == (planted / "..dots").read_bytes()
        tarball = planted.with_name("packed.tar.gz")
        run([installed("tar"), "-czf", str(tarball), "."], {}, planted)
        token = f"X-Auth-Token: {client.headers['X-Auth-Token']}"
        json_please = ("-H", token, "-H", "Accept: application/json")
        said = json.loads(curl(*json_please, "-T", str(tarball), f"{url}/tree?extract-archive=tar.gz"))
        assert (said["Response Status"], said["Number Files Created"]) == (
            "201 Created",
            len(trees.digests(planted)),
        )
        kept = client.names_in(bucket, prefix="tree/")
        assert {name.removeprefix("tree/") for name in kept} == set(trees.digests(planted))
