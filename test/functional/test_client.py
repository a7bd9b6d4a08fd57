"""Our own command, `apus`, as a person and as a script use it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import programs
import pytest
import trees
from programs import swift
from store import Client, Store, ask

PIECE_BYTES = 1 << 20


@pytest.fixture
def bucket(client: Client) -> Iterator[str]:
    """A container whose segments will be gone too."""
    with client.container() as name:
        yield name
        client.clear(f"{name}_segments")


@pytest.fixture
def large(store: Store, tmp_path: Path) -> Path:
    """A file of three segments and a bit, where the store offers static large objects."""
    if "slo" not in store.connection().get_capabilities():
        pytest.skip("this store offers no static large objects")
    return trees.big_file(tmp_path / "big", 3 * PIECE_BYTES + 17)


def command(store: Store, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `apus` to its end."""
    return programs.apus(store, *words, cwd=cwd)


def apus(store: Store, cwd: Path, *words: str, code: int = 0) -> str:
    """Run `apus`; return what it printed."""
    done = command(store, cwd, *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_tree_with_odd_names_is_synced_there_and_back(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """Every byte under its own name; a second run moves nothing; what is gone goes."""
    here = trees.odd_names(tmp_path / "here")
    (here / "empty").mkdir()
    apus(store, tmp_path, "sync", "here", f"store:{bucket}/a/b")
    assert all(name.startswith("a/b/") for name in client.names_in(bucket))
    summary = records(apus(store, tmp_path, "sync", "here", f"store:{bucket}/a/b", "--json"))
    assert [record["action"] for record in summary] == ["summary"]
    apus(store, tmp_path, "sync", f"store:{bucket}/a/b", "back")
    assert trees.digests(tmp_path / "back") == trees.digests(here)
    assert (tmp_path / "back/empty").is_dir()
    (here / "..dots").unlink()
    (here / "dot.").write_bytes(b"other")
    told = records(apus(store, tmp_path, "sync", "here", f"store:{bucket}/a/b", "--delete", "--json"))
    assert [(each["action"], each.get("object")) for each in told[:-1]] == [
        ("upload", "a/b/dot."), ("delete", "a/b/..dots"),
    ]  # fmt: skip
    apus(store, tmp_path, "sync", f"store:{bucket}/a/b", "back", "--delete")
    assert trees.digests(tmp_path / "back") == trees.digests(here)


def test_a_dry_run_changes_nothing(store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
    """It says what would be done, and leaves it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/file").write_bytes(b"x")
    client.put(bucket, "other", body=b"y")
    told = apus(store, tmp_path, "sync", "here", f"store:{bucket}", "--delete", "-n")
    assert told.splitlines() == ["file [would upload]", "other [would delete]"]
    assert client.names_in(bucket) == ["other"]


def test_bytes_decide_where_no_time_is_told(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """An object of another client without a time is compared by MD5; --checksum compares all so."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/same").write_bytes(b"abc")
    (tmp_path / "here/other").write_bytes(b"abc")
    client.put(bucket, "same", body=b"abc")
    client.put(bucket, "other", body=b"abd")
    told = records(apus(store, tmp_path, "sync", "here", f"store:{bucket}", "--json"))
    assert [each.get("object") for each in told[:-1]] == ["other"]
    os.utime(tmp_path / "here/other", (1, 1))
    told = records(apus(store, tmp_path, "sync", "here", f"store:{bucket}", "--json", "--checksum"))
    assert told[0]["same"] == 2


def test_a_name_that_leads_out_is_not_written(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """The others are; nothing is deleted then; the exit code says that something failed."""
    client.put(bucket, "../escaped", body=b"x")
    client.put(bucket, "kept", body=b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/extra").write_bytes(b"x")
    for words in (["sync", f"store:{bucket}", "in", "--delete"], ["download", bucket, "-D", "in"]):
        done = command(store, tmp_path, *words)
        assert done.returncode == 1
        assert "escaped" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == ["extra", "kept"]


def test_nothing_is_written_through_a_link(store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
    """A link in the folder stays what it is, and what lies behind it too."""
    client.put(bucket, "link/file", body=b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "outside")
    apus(store, tmp_path, "sync", f"store:{bucket}", "in", code=1)
    assert not os.listdir(tmp_path / "outside")


def test_a_missing_container_does_not_empty_the_folder(store: Store, tmp_path: Path) -> None:
    """A typing mistake costs nothing: exit code 3."""
    (tmp_path / "file").write_bytes(b"x")
    apus(store, tmp_path, "sync", "store:no-such-container", ".", "--delete", code=3)
    assert (tmp_path / "file").exists()


def test_a_mistyped_prefix_does_not_empty_the_folder(store: Store, bucket: str, tmp_path: Path) -> None:
    """Nor does it look as if all were well: exit code 3."""
    (tmp_path / "file").write_bytes(b"x")
    apus(store, tmp_path, "sync", f"store:{bucket}/mistyped", ".", "--delete", code=3)
    assert (tmp_path / "file").exists()


def test_what_has_the_name_of_a_link_passed_over_stays(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """The folder has something there that is not copied: no reason to delete the copy."""
    for name in ("link", "folder/below", "gone"):
        client.put(bucket, name, body=b"x")
    (tmp_path / "here").mkdir()
    for name in ("link", "folder"):
        (tmp_path / "here" / name).symlink_to(tmp_path)
    apus(store, tmp_path, "sync", "here", f"store:{bucket}", "--delete")
    assert client.names_in(bucket) == ["folder/below", "link"]


def test_a_file_does_not_take_a_folder_markers_name(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """Where another client has marked a folder by a/, the file a becomes the object a."""
    client.put(bucket, "a/")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/a").write_bytes(b"x")
    apus(store, tmp_path, "sync", "here", f"store:{bucket}")
    assert client.get(bucket, "a").body == b"x"
    assert client.get(bucket, "a/").body == b""
    assert records(apus(store, tmp_path, "sync", "here", f"store:{bucket}", "--json"))[0]["same"] == 1


def test_two_objects_for_one_file_are_said(store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
    """One of them is downloaded, the other is a failure."""
    for name in ("a/b", "a//b"):
        client.put(bucket, name, body=b"x")
    done = command(store, tmp_path, "download", bucket)
    assert done.returncode == 1
    assert "same file" in done.stderr
    assert (tmp_path / "a/b").exists()


def test_a_reader_that_goes_is_no_success(store: Store, bucket: str, tmp_path: Path) -> None:
    """`apus upload … | head` may have left something undone: the exit code of a broken pipe, and no traceback."""
    (tmp_path / "f").write_bytes(b"x")
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "apus.bin.apus", "upload", bucket, "f"],
        env={**os.environ, **store.environment()},
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_large_upload_is_taken_up_where_it_was_broken_off(
    store: Store, client: Client, bucket: str, large: Path, tmp_path: Path
) -> None:
    """Segments that are there are not sent again; a wrong one is; what is replaced leaves none behind."""
    segments = f"{bucket}_segments"
    words = ("upload", bucket, "big", "-S", "1M", "--json")
    assert records(apus(store, tmp_path, *words))[0]["sent_bytes"] == large.stat().st_size
    names = client.names_in(segments)
    assert len(names) == 4
    client.delete(bucket, "big")
    client.delete(segments, names[0])
    client.put(segments, names[1], body=b"\0" * PIECE_BYTES)
    assert records(apus(store, tmp_path, *words))[0]["sent_bytes"] == 2 * PIECE_BYTES
    apus(store, tmp_path, "download", bucket, "big", "-o", "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    large.write_bytes(large.read_bytes()[:-1])
    apus(store, tmp_path, *words)
    assert not set(names) & set(client.names_in(segments))
    apus(store, tmp_path, "delete", bucket, "big")
    assert client.names_in(segments) == []


def test_what_swift_began_apus_finishes(
    store: Store, client: Client, bucket: str, large: Path, tmp_path: Path
) -> None:
    """The segments have the same names, so either finds the other's: also where the time must be rounded."""
    os.utime(large, ns=(0, 1_700_000_000_123_456_789))
    swift(store, "upload", "-S", str(PIECE_BYTES), "--use-slo", bucket, "big", cwd=tmp_path)
    client.delete(bucket, "big")
    told = records(apus(store, tmp_path, "upload", bucket, "big", "-S", str(PIECE_BYTES), "--json"))
    assert told[0]["sent_bytes"] == 0
    apus(store, tmp_path, "sync", f"store:{bucket}", "back")
    assert records(apus(store, tmp_path, "sync", "back", f"store:{bucket}", "-c", "--json"))[0]["same"] == 1


def test_a_large_object_that_could_not_be_deleted_is_no_success(
    store: Store, client: Client, bucket: str, large: Path, tmp_path: Path
) -> None:
    """The store answers 200 and says in the body which segment it may not delete; with the right, it all goes."""
    apus(store, tmp_path, "upload", bucket, "big", "-S", "1M")
    client.post(bucket, headers={"X-Container-Write": "test:tester3", "X-Container-Read": "test:tester3"})
    other = (
        "--os-storage-url",
        f"{store.endpoint}{client.account_path}",
        "-U",
        "test:tester3",
        "-K",
        "testing3",
    )
    done = command(store, tmp_path, *other, "delete", bucket, "big", "--json")
    assert done.returncode == 1, done
    assert records(done.stdout)[0]["status"] == "failed"
    assert f"/{bucket}_segments/big/slo/" in done.stderr
    assert len(client.names_in(f"{bucket}_segments")) == 4


def test_all_versions_go_with_their_segments(
    store: Store, client: Client, large: Path, tmp_path: Path
) -> None:
    """And the container too; one version's stay, since another may be made of the same."""
    with client.container({"X-Versions-Enabled": "true"}) as bucket:
        for _ in range(2):
            apus(store, tmp_path, "upload", bucket, "big", "-S", "1M")
        client.delete(bucket, "big")
        rows = json.loads(apus(store, tmp_path, "list", bucket, "--versions", "--json"))
        assert len(rows) == 3
        version = rows[-1]["version_id"]
        apus(store, tmp_path, "delete", bucket, "big", "--version-id", version)
        assert len(client.names_in(f"{bucket}_segments")) == 4
        apus(store, tmp_path, "delete", bucket, "--versions")
        assert client.names_in(f"{bucket}_segments") == []
        assert client.head(bucket).status == 404
        client.clear(f"{bucket}_segments")


def test_segments_that_nobody_owns_are_listed_and_removed(
    store: Store, client: Client, bucket: str, large: Path, tmp_path: Path
) -> None:
    """Those of a given-up upload; those that a manifest names stay, beside it or not, and young ones too."""
    apus(store, tmp_path, "upload", bucket, "big", "-S", "1M")
    part = "other/slo/1.000000/2/1/00000000"
    client.put(f"{bucket}_segments", part, body=b"x")
    body = json.dumps([{"path": f"/{bucket}_segments/{part}"}]).encode()
    query = {"multipart-manifest": "put"}
    assert client.request("PUT", f"{bucket}_segments", "inner", body=body, query=query).status == 201
    owned = client.names_in(f"{bucket}_segments")
    lost = "gone/slo/1.000000/2/1/00000000"
    client.put(f"{bucket}_segments", lost, body=b"x")
    told = records(apus(store, tmp_path, "segments", bucket, "--json", "--delete"))
    assert [(each["object"], each["segments"]) for each in told] == [("gone", 1)]
    assert lost in client.names_in(f"{bucket}_segments")
    apus(store, tmp_path, "segments", bucket, "--delete", "--older-than", "0s")
    assert client.names_in(f"{bucket}_segments") == owned


def test_a_pipe_becomes_an_object(
    store: Store, client: Client, bucket: str, large: Path, tmp_path: Path
) -> None:
    """Small in one piece, large in segments, static or dynamic; what was replaced leaves no segments."""
    words = ("upload", bucket, "-", "--object-name", "piped", "-S", "1M")
    whole = large.read_bytes()
    for size, more in ((len(whole), ()), (len(whole), ("--use-dlo",)), (5, ()), (0, ())):
        subprocess.run(
            [sys.executable, "-m", "apus.bin.apus", *words, *more],
            env={**os.environ, **store.environment()},
            input=whole[:size],
            timeout=600,
            check=True,
        )
        assert client.get(bucket, "piped").body == whole[:size]
        kinds = {name.startswith("piped/slo/") for name in client.names_in(f"{bucket}_segments")}
        assert (True in kinds) == (size == len(whole) and not more)
        assert ("x-object-manifest" in client.head(bucket, "piped").headers) == bool(more)


def test_copies_and_temporary_urls(store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
    """A copy takes the metadata along or new ones; a URL opens what it names; what is missing is exit code 3."""
    client.put(bucket, "o ?", body=b"abc", headers={"X-Object-Meta-Old": "1"})
    apus(store, tmp_path, "copy", bucket, "o ?", "-d", f"/{bucket}/kept", "-m", "New:2")
    apus(store, tmp_path, "copy", bucket, "o ?", "-d", f"/{bucket}/fresh", "-M", "-m", "New:2")
    for name, old in (("kept", "1"), ("fresh", None)):
        headers = client.head(bucket, name).headers
        assert (headers.get("x-object-meta-old"), headers["x-object-meta-new"]) == (old, "2")
    told = records(apus(store, tmp_path, "copy", bucket, "missing", "-d", f"/{bucket}/x", "--json", code=3))
    assert [(each["status"], each["code"]) for each in told if "code" in each] == [("failed", 3)]
    apus(store, tmp_path, "post", bucket, "-m", "Temp-URL-Key:secret")
    place = store.endpoint + client.path(bucket, "o ?")
    for method, status in (("GET", 200), ("PUT", 401)):
        url = apus(store, tmp_path, "tempurl", method, "600", place, "secret").strip()
        assert ask(store.address, "GET", url.removeprefix(store.endpoint), {}).status == status


def test_bad_input_is_said_plainly(store: Store, bucket: str, tmp_path: Path) -> None:
    """A name that is no text, a pipe without end, a header that is none; and nobody logs in to ask what a store can."""
    (tmp_path / "f").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    for words, code in (
        (("list", "\udcff"), 2), (("stat", bucket, "\udcff"), 2), (("upload", bucket, "f", "-m", "a:\udcff"), 2),
        (("upload", bucket, "pipe"), 1), (("upload", bucket, "f", "-H", "a:b\nc:d"), 2), (("delete", ""), 2),
    ):  # fmt: skip
        done = command(store, tmp_path, *words)
        assert done.returncode == code, (words, done)
        assert "Traceback" not in done.stderr
        assert not done.stdout
    nobody = subprocess.run(
        [sys.executable, "-m", "apus.bin.apus", "capabilities", f"{store.endpoint}/info", "--json"],
        env={name: value for name, value in os.environ.items() if not name.startswith(("ST_", "OS_"))},
        capture_output=True,
        timeout=600,
        check=True,
    )
    assert "swift" in json.loads(nobody.stdout)


def test_exit_codes_say_why(store: Store, bucket: str, tmp_path: Path) -> None:
    """And the sentence is on stderr, never among the answers."""
    for words, code in (
        (("list", "no-such-container"), 3), (("stat", bucket, "nothing"), 3), (("download", bucket, "nothing"), 3),
        (("-K", "wrong", "list"), 4), (("-A", "http://127.0.0.1:1/", "-R", "0", "list"), 5),
        (("upload", bucket, "no-such-file"), 3), (("list", "a/b"), 2),
    ):  # fmt: skip
        done = command(store, tmp_path, *words)
        assert done.returncode == code, (words, done)
        assert done.stderr
        assert not done.stdout


def test_metadata_is_posted_and_told(store: Store, client: Client, bucket: str, tmp_path: Path) -> None:
    """`post`, `stat` and `list`, for people and for scripts."""
    (tmp_path / "f").write_bytes(b"abc")
    apus(store, tmp_path, "upload", bucket, "f", "-m", "colour:blue", "--object-name", "g")
    apus(store, tmp_path, "post", bucket, "-r", ".r:*")
    assert client.head(bucket).headers["x-container-read"] == ".r:*"
    assert "Meta Colour: blue" in apus(store, tmp_path, "stat", bucket, "g")
    told = json.loads(apus(store, tmp_path, "stat", bucket, "g", "--json"))
    assert told["headers"]["x-object-meta-colour"] == "blue"
    assert [row["name"] for row in json.loads(apus(store, tmp_path, "list", bucket, "-j"))] == ["g"]
    assert apus(store, tmp_path, "list", bucket, "--lh").split()[0] == "3"


def test_a_person_sees_bars_and_may_interrupt(
    store: Store, client: Client, bucket: str, tmp_path: Path
) -> None:
    """On a terminal there is a bar; Ctrl-C ends it with 130, no file half written."""
    trees.big_file(tmp_path / "big", 64 << 20)
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "apus.bin.apus", "upload", bucket, "big"],
        env={**os.environ, **store.environment(), "TERM": "xterm", "COLUMNS": "100"},
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    try:
        deadline = time.monotonic() + 180
        while b"MB/s" not in seen and time.monotonic() < deadline:
            seen += os.read(screen, 4096)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                piece = os.read(screen, 4096)
            except OSError:  # The other end is closed.
                break
            if not piece:
                break
            seen += piece
        assert b"uploading" in seen
        assert process.wait(30) in (130, 0)
    finally:
        os.close(screen)
        process.kill()
        process.wait()
