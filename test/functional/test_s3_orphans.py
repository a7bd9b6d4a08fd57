"""What is left beside a bucket, in BUCKET+segments, after everything that can happen to an upload: nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clusters import AllInOne
from lifecycles import pass_of_all_nodes
from s3 import s3_front
from store import Client

from apus.common.cluster import ClusterConf
from apus.object.expiry import ACCOUNT
from apus.object.replicas import Replicas

HASTY = {"min_segment_size": "1", "parts_kept_seconds": "0"}
"""A door that takes small parts, and keeps none for downloads that have begun."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, its clients through both doors, and what `aws` reads."""

    boto: Any
    swift: Client
    environment: dict[str, str]
    bucket: str
    cluster: AllInOne
    folder: Path

    def begin(self, key: str = "k") -> dict[str, str]:
        """Begin an upload; return the names that further calls want."""
        upload_id = self.boto.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        return {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}

    def send(self, names: dict[str, str], *bodies: bytes) -> list[dict[str, Any]]:
        return [
            {"PartNumber": n, "ETag": self.boto.upload_part(**names, PartNumber=n, Body=body)["ETag"]}
            for n, body in enumerate(bodies, 1)
        ]

    def make(self, key: str = "k", *, parts_named: int = 2) -> None:
        """Make an object of parts."""
        names = self.begin(key)
        parts = self.send(names, b"one", b"two")[:parts_named]
        self.boto.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})

    def left(self) -> list[str]:
        reply = self.swift.get(f"{self.bucket}+segments")
        assert reply.status in (200, 204, 404)
        return reply.lines() if reply.status == 200 else []


def delete(place: Place) -> None:
    place.boto.delete_object(Bucket=place.bucket, Key="k")


def delete_if(place: Place) -> None:
    etag = place.boto.head_object(Bucket=place.bucket, Key="k")["ETag"]
    place.boto.delete_object(Bucket=place.bucket, Key="k", IfMatch=etag)


def delete_objects(place: Place) -> None:
    place.make("l")
    doomed = [{"Key": "k"}, {"Key": "l"}]
    assert len(place.boto.delete_objects(Bucket=place.bucket, Delete={"Objects": doomed})["Deleted"]) == 2


def aws_rm(place: Place) -> None:
    command = ["aws", "s3", "rm", "--quiet", "--recursive", f"s3://{place.bucket}"]
    subprocess.run(command, env=place.environment, check=True, timeout=600)


def put(place: Place) -> None:
    place.boto.put_object(Bucket=place.bucket, Key="k", Body=b"new")


def copy(place: Place) -> None:
    place.boto.put_object(Bucket=place.bucket, Key="other", Body=b"new")
    source = {"Bucket": place.bucket, "Key": "other"}
    place.boto.copy_object(Bucket=place.bucket, Key="k", CopySource=source)


def complete_again_over_it(place: Place) -> None:
    place.make()
    delete(place)


def delete_versions(place: Place) -> None:
    enabled = {"Status": "Enabled"}
    place.boto.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration=enabled)
    place.make()
    place.make()
    delete(place)
    for row in place.boto.list_object_versions(Bucket=place.bucket)["Versions"]:
        place.boto.delete_object(Bucket=place.bucket, Key="k", VersionId=row["VersionId"])


def swift_deletes_all(place: Place) -> None:
    place.swift.request("DELETE", place.bucket, "k", query={"multipart-manifest": "delete"})


def swift_deletes_all_later(place: Place) -> None:
    query = {"multipart-manifest": "delete", "async": "yes"}
    place.swift.request("DELETE", place.bucket, "k", query=query)


def swift_deletes_the_manifest(place: Place) -> None:
    assert place.swift.delete(place.bucket, "k").status == 204


def swift_deletes_the_bucket(place: Place) -> None:
    swift_deletes_the_manifest(place)
    place.send(place.begin("never finished"), b"one")
    assert place.swift.delete(place.bucket).status == 204


def abort(place: Place) -> None:
    delete(place)
    names = place.begin()
    place.send(names, b"one", b"two")
    place.boto.abort_multipart_upload(**names)


def send_again_and_name_fewer(place: Place) -> None:
    names = place.begin()
    place.send(names, b"one", b"two", b"three")
    parts = place.send(names, b"eins")
    place.boto.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    delete(place)


def delete_bucket(place: Place) -> None:
    delete(place)
    place.send(place.begin("never finished"), b"one", b"two")
    place.boto.delete_bucket(Bucket=place.bucket)


def kill_a_proxy(place: Place) -> None:
    """In the middle of completing, aborting and deleting; whoever asks another proxy again finishes it."""
    keys = [f"l{number}" for number in range(6)]
    for key in keys:
        place.make(key)
    completed, aborted = place.begin("completed"), place.begin("aborted")
    parts = place.send(completed, *[b"%d," % number for number in range(12)])
    place.send(aborted, *[b"x"] * 12)

    def calls(client: Any) -> list[Callable[[], Any]]:
        doomed = {"Objects": [{"Key": key} for key in (*keys, "k")]}
        return [
            lambda: client.complete_multipart_upload(**completed, MultipartUpload={"Parts": parts}),
            lambda: client.abort_multipart_upload(**aborted),
            lambda: client.delete_objects(Bucket=place.bucket, Delete=doomed),
        ]

    folder = place.folder / "killed"
    folder.mkdir()
    with s3_front(place.cluster, folder, HASTY) as front:
        (pid_file,) = folder.glob("proxy-server-*.pid")
        with ThreadPoolExecutor(3) as crew:
            ends = [crew.submit(call) for call in calls(front.client())]
            time.sleep(0.05)  # As likely as not each of them is under way then.
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
        for end in ends:
            end.exception()
    for names in (completed, aborted):  # As if a minute had passed, after which a dead owner's claim is void.
        place.swift.delete(f"{place.bucket}+segments", f"{names['Key']}/{names['UploadId']}/0")
    complete, abort_, delete_ = calls(place.boto)
    assert complete()["ETag"].endswith('-12"')
    with contextlib.suppress(place.boto.exceptions.NoSuchUpload):
        abort_()
    assert len(delete_()["Deleted"]) == 7
    whole = b"".join(b"%d," % number for number in range(12))
    assert place.boto.get_object(Bucket=place.bucket, Key="completed")["Body"].read() == whole
    assert place.boto.list_objects_v2(Bucket=place.bucket)["KeyCount"] == 1
    place.boto.delete_object(Bucket=place.bucket, Key="completed")


ACTS: tuple[Callable[[Place], None], ...] = (
    delete,
    delete_if,
    delete_objects,
    aws_rm,
    put,
    copy,
    complete_again_over_it,
    delete_versions,
    swift_deletes_all,
    swift_deletes_all_later,
    swift_deletes_the_manifest,
    swift_deletes_the_bucket,
    abort,
    send_again_and_name_fewer,
    delete_bucket,
    kill_a_proxy,
)


@pytest.fixture(scope="module")
def places(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """A bucket with an object of parts for each of the acts; after it, and after one pass of each daemon.

    Queued rows are found by the account that the container updater tells of the queue's containers; so it goes first.
    """
    folder = tmp_path_factory.mktemp("s3orphans")
    with s3_front(shared_cluster, folder, HASTY) as hasty:
        found = {}
        for act in ACTS:
            bucket = f"orphans-{uuid.uuid4().hex[:8]}"
            place = found[act.__name__] = Place(
                hasty.client(), hasty.swift(), hasty.environment(), bucket, shared_cluster, folder
            )
            place.boto.create_bucket(Bucket=bucket)
            if act is not delete_versions:
                place.make()
            act(place)
        pass_of_all_nodes(shared_cluster, folder / "nodes", orphan_seconds="0")
        shared_cluster.once("container-updater", "object-expirer")
        yield found


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_nothing_is_left(places: dict[str, Place], act: Callable[[Place], None]) -> None:
    """Neither parts nor uploads nor claims."""
    assert places[act.__name__].left() == []


def test_nothing_is_queued(places: dict[str, Place], shared_cluster: AllInOne) -> None:
    """What the expirer has done it has struck off."""
    swift_dir = str(shared_cluster.home / "etc")
    buckets = {f"/{place.bucket}+segments/" for place in places.values()}
    replicas = Replicas(
        swift_dir, ClusterConf.load(swift_dir), connect_timeout_seconds=5.0, response_timeout_seconds=10.0
    )
    queued = [
        name
        for container in replicas.containers(ACCOUNT)
        for name, _ in replicas.rows(ACCOUNT, container)
        if any(bucket in name for bucket in buckets)
    ]
    assert queued == []
