"""Programs that people have, unmodified, through the S3 door: aws, s3cmd, minio-py, rclone, restic, duplicity, s3fs."""

from __future__ import annotations

import hashlib
import io
import json
import random
import urllib.request
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from programs import REMOTE
from s3 import S3Front
from s3_programs import aws, duplicity, rclone, restic, s3cmd, s3fs
from store import KEYS

LARGE = 11 << 20
NAMES = ("plain.txt", "with blank.txt", "plus+sign.txt", "uml/äöü ß.txt", "percent%20.txt", "empty")

tls_too = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder of odd names, with one file of three parts."""
    folder = tmp_path / "planted"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else name.encode() * 100)
    (folder / "large.bin").write_bytes(random.Random(1).randbytes(LARGE))
    return folder


def contents(folder: Path) -> dict[str, str]:
    """What is in a folder: names and digests."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@tls_too
def test_aws(s3: S3Front, bucket: str, planted: Path, tmp_path: Path, tls: bool) -> None:
    """Sync there and back, copy, presign, and remove."""
    aws(s3, "s3", "sync", str(planted), f"s3://{bucket}/dir", tls=tls)
    assert aws(s3, "s3", "sync", str(planted), f"s3://{bucket}/dir", tls=tls) == ""
    aws(s3, "s3", "cp", "--recursive", f"s3://{bucket}/dir", f"s3://{bucket}/copy", tls=tls)
    back = tmp_path / "back"
    aws(s3, "s3", "sync", f"s3://{bucket}/copy", str(back), tls=tls)
    assert contents(back) == contents(planted)
    url = aws(s3, "s3", "presign", f"s3://{bucket}/dir/uml/äöü ß.txt").strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == (planted / "uml/äöü ß.txt").read_bytes()
    head = aws(s3, "s3api", "head-object", "--bucket", bucket, "--key", "dir/large.bin", tls=tls)
    assert json.loads(head)["ETag"].endswith('-2"')  # Parts of 8 MiB.
    aws(s3, "s3", "rm", "--recursive", f"s3://{bucket}", tls=tls)
    assert s3.swift().get(bucket).body == b""


@tls_too
def test_s3cmd(s3: S3Front, bucket: str, planted: Path, tmp_path: Path, tls: bool) -> None:
    """It checks each ETag against an MD5 of its own, and remembers metadata in x-amz-meta-s3cmd-attrs."""
    parts = "--multipart-chunk-size-mb=5"
    s3cmd(s3, "sync", parts, f"{planted}/", f"s3://{bucket}/dir/", tls=tls)
    assert f"s3://{bucket}/dir/uml/äöü ß.txt" in s3cmd(s3, "ls", "--recursive", f"s3://{bucket}", tls=tls)
    assert "MD5 sum:" in s3cmd(s3, "info", f"s3://{bucket}/dir/plain.txt", tls=tls)
    s3cmd(s3, "cp", f"s3://{bucket}/dir/plus+sign.txt", f"s3://{bucket}/dir/copied", tls=tls)
    s3cmd(s3, "mv", f"s3://{bucket}/dir/copied", f"s3://{bucket}/dir/plus+sign.txt", tls=tls)
    back = tmp_path / "back"
    s3cmd(s3, "sync", f"s3://{bucket}/dir/", f"{back}/", tls=tls)
    assert contents(back) == contents(planted)
    s3cmd(s3, "del", "--recursive", "--force", f"s3://{bucket}", tls=tls)
    assert s3.swift().get(bucket).body == b""


def test_s3cmd_with_version_2_signatures(s3: S3Front, bucket: str, planted: Path, tmp_path: Path) -> None:
    """The way of old clients."""
    s3cmd(s3, "--signature-v2", "put", str(planted / "with blank.txt"), f"s3://{bucket}/")
    s3cmd(s3, "--signature-v2", "get", f"s3://{bucket}/with blank.txt", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == (planted / "with blank.txt").read_bytes()


@tls_too
def test_rclone(s3: S3Front, bucket: str, planted: Path, tmp_path: Path, tls: bool) -> None:
    """Copy there, compare digests, copy inside, back, and purge."""
    there = f"{REMOTE}:{bucket}/dir"
    rclone(s3, "copy", str(planted), there, tls=tls)
    rclone(s3, "check", str(planted), there, tls=tls)
    rclone(s3, "copy", there, f"{REMOTE}:{bucket}/again", tls=tls)
    back = tmp_path / "back"
    rclone(s3, "copy", f"{REMOTE}:{bucket}/again", str(back), tls=tls)
    assert contents(back) == contents(planted)
    assert (
        sorted(json.loads(rclone(s3, "lsjson", there, tls=tls)), key=lambda row: str(row["Name"]))[0]["Name"]
        == "empty"
    )
    rclone(s3, "delete", f"{REMOTE}:{bucket}", tls=tls)
    assert s3.swift().get(bucket).body == b""


@tls_too
def test_restic(s3: S3Front, bucket: str, planted: Path, tmp_path: Path, tls: bool) -> None:
    """Back up, check, restore, forget."""

    def run(*words: str) -> str:
        return restic(s3, bucket, *words, cache=tmp_path / "cache", tls=tls)

    run("init")
    run("backup", str(planted))
    run("check", "--read-data")
    run("restore", "latest", "--target", str(tmp_path / "restored"))
    assert contents(tmp_path / "restored" / planted.relative_to("/")) == contents(planted)
    run("forget", "--keep-last", "1", "--prune")


def test_duplicity(s3: S3Front, bucket: str, planted: Path, tmp_path: Path) -> None:
    """A full backup, an incremental one, and back again."""
    place, cache = f"boto3+s3://{bucket}/backups", tmp_path / "cache"
    duplicity(s3, "full", str(planted), place, cache=cache)
    (planted / "plain.txt").write_text("changed")
    duplicity(s3, "incremental", str(planted), place, cache=cache)
    duplicity(s3, "restore", place, str(tmp_path / "restored"), cache=cache)
    assert contents(tmp_path / "restored") == contents(planted)


def test_s3fs(s3: S3Front, bucket: str, planted: Path, tmp_path: Path) -> None:
    """A bucket as a folder: write, read, rename, remove."""
    with s3fs(s3, bucket, tmp_path) as place:
        for name in NAMES:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes((planted / name).read_bytes())
        (place / "large.bin").write_bytes((planted / "large.bin").read_bytes())
        assert contents(place) == contents(planted)
        (place / "plain.txt").rename(place / "renamed.txt")
        assert sorted(path.name for path in place.iterdir()) == sorted(
            {"renamed.txt", "large.bin", "uml", *(name for name in NAMES if "/" not in name)} - {"plain.txt"}
        )
        (place / "renamed.txt").unlink()
    assert s3.swift().get(bucket, "large.bin").body == (planted / "large.bin").read_bytes()


@tls_too
def test_minio_py(s3: S3Front, bucket: str, tls: bool) -> None:
    """Streams of known and of unknown length, copies, presigned URLs, many deletions at once."""
    client = Minio(
        urlsplit(s3.address(tls=tls)).netloc,
        access_key="test:tester",
        secret_key=KEYS["test:tester"],
        secure=tls,
        http_client=urllib3.PoolManager(ca_certs=str(s3.certificate)),
    )
    large = random.Random(2).randbytes(LARGE)
    client.put_object(
        bucket_name=bucket,
        object_name="a b/ü",
        data=io.BytesIO(b"small"),
        length=5,
        metadata={"Colour": "blue"},
    )
    client.put_object(
        bucket_name=bucket, object_name="large", data=io.BytesIO(large), length=-1, part_size=5 << 20
    )
    assert client.get_object(bucket_name=bucket, object_name="large").read() == large
    fact = client.stat_object(bucket_name=bucket, object_name="a b/ü")
    assert fact.metadata is not None
    assert (fact.size, fact.metadata["x-amz-meta-colour"]) == (5, "blue")
    client.copy_object(
        bucket_name=bucket, object_name="copy", source=CopySource(bucket_name=bucket, object_name="a b/ü")
    )
    names = [row.object_name for row in client.list_objects(bucket_name=bucket, recursive=True)]
    assert names == ["a b/ü", "copy", "large"]
    if not tls:
        url = client.presigned_get_object(
            bucket_name=bucket, object_name="copy", expires=timedelta(minutes=5)
        )
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"small"
    gone = [DeleteObject(name) for name in names if name is not None]
    assert list(client.remove_objects(bucket_name=bucket, delete_object_list=gone)) == []
    assert list(client.list_objects(bucket_name=bucket)) == []
