"""Webhooks hear of what happens to a bucket's objects, by whichever API: at least once."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import requests
from botocore.exceptions import ClientError
from clusters import AllInOne, free_port_block
from fronts import front, with_filters
from lifecycles import pass_of_all_nodes
from s3 import S3Front
from webhooks import SECRET, Message, Notifier, Webhook, notifier, until, webhook

from apus.common import recon_cache
from apus.proxy.middleware.s3.notification import messages

ALL = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:ObjectAcl:*",
    "s3:LifecycleExpiration:*",
)
DYING_PROXY = Path(__file__).parents[1] / "support" / "dying_proxy.py"
Configure = Callable[..., None]


@pytest.fixture
def hook(shared_cluster: AllInOne) -> Iterator[Webhook]:
    """A webhook of the test's own."""
    with webhook(shared_cluster, timeout="5") as opened:
        yield opened


@pytest.fixture
def daemon(shared_cluster: AllInOne, tmp_path: Path) -> Notifier:
    """The notifier."""
    return notifier(shared_cluster, tmp_path)


@pytest.fixture
def configure(s3: S3Front, bucket: str, hook: Webhook) -> Configure:
    """Have the test's bucket tell the test's webhook."""

    def act(*events: str, **rules: str) -> None:
        configured: dict[str, Any] = {"TopicArn": hook.arn, "Events": list(events or ALL)}
        if rules:
            named = [{"Name": name, "Value": value} for name, value in rules.items()]
            configured["Filter"] = {"Key": {"FilterRules": named}}
        s3.client().put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [configured]}
        )

    return act


def test_each_api_is_heard(
    s3: S3Front, bucket: str, hook: Webhook, daemon: Notifier, configure: Configure
) -> None:
    """What S3's clients and the Swift API's do is told by S3's names, in the order of each key."""
    configure()
    boto, swift = s3.client(), s3.swift()
    etag = boto.put_object(Bucket=bucket, Key="a b/ü", Body=b"12345")["ETag"].strip('"')
    boto.put_object_acl(Bucket=bucket, Key="a b/ü", ACL="public-read")
    boto.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü"})
    boto.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    boto.delete_object_tagging(Bucket=bucket, Key="copy")
    boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "never there"}]})
    form = boto.generate_presigned_post(bucket, "form")["fields"]
    files = [*((name, (None, value)) for name, value in form.items()), ("file", ("f", b"form"))]
    assert requests.post(f"{s3.endpoint}/{bucket}", files=files, timeout=20).status_code == 204
    upload = boto.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = boto.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    boto.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert swift.put(bucket, "swift", body=b"swift").status == 201
    assert swift.request("COPY", bucket, "swift", headers={"Destination": f"{bucket}/again"}).status == 201
    assert swift.post(bucket, "swift", headers={"X-Object-Meta-A": "b"}).status == 202
    assert swift.delete(bucket, "swift").status == 204
    daemon.once()
    heard = sorted((unquote_plus(key), name) for name, key in hook.events)
    assert heard == sorted(
        [
            ("a b/ü", "ObjectCreated:Put"),
            ("a b/ü", "ObjectAcl:Put"),
            ("copy", "ObjectCreated:Copy"),
            ("copy", "ObjectTagging:Put"),
            ("copy", "ObjectTagging:Delete"),
            ("copy", "ObjectRemoved:Delete"),
            ("form", "ObjectCreated:Post"),
            ("parts", "ObjectCreated:CompleteMultipartUpload"),
            ("swift", "ObjectCreated:Put"),
            ("again", "ObjectCreated:Copy"),
            ("swift", "ObjectRemoved:Delete"),
        ]
    )
    assert [name for name, key in hook.events if key == "copy"] == [
        "ObjectCreated:Copy",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectRemoved:Delete",
    ]
    first = next(each for each in hook.taken if "%C3%BC" in each.record["s3"]["object"]["key"])
    assert first.record["s3"]["object"]["key"] == "a+b/%C3%BC"
    assert first.record["s3"]["object"]["size"] == 5
    assert first.record["s3"]["object"]["eTag"] == etag
    assert first.record["s3"]["bucket"]["name"] == bucket
    assert first.record["userIdentity"]["principalId"].startswith("test")
    digest = hmac.new(SECRET.encode(), first.body, hashlib.sha256).hexdigest()
    assert first.headers[messages.SIGNATURE] == f"sha256={digest}"
    whole = next(each.record["s3"]["object"] for each in hook.taken if b"CompleteMultipart" in each.body)
    assert (whole["size"], whole["eTag"][-2:]) == (4, "-1")
    hook.taken.clear()
    daemon.once()
    assert not hook.events  # Once was enough.


def test_versions_are_named(
    s3: S3Front, bucket: str, hook: Webhook, daemon: Notifier, configure: Configure
) -> None:
    """A DELETE makes a marker; what is restored when a version goes is nobody's upload."""
    configure()
    boto = s3.client()
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = boto.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = boto.put_object(Bucket=bucket, Key="k", Body=b"22")["VersionId"]
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    boto.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging=tags)
    marker = boto.delete_object(Bucket=bucket, Key="k")["VersionId"]
    for version in (marker, second):
        boto.delete_object(Bucket=bucket, Key="k", VersionId=version)
    daemon.once()
    objects = [message.record["s3"]["object"] for message in hook.taken]
    assert [(name, told["versionId"]) for (name, _), told in zip(hook.events, objects, strict=True)] == [
        ("ObjectCreated:Put", first),
        ("ObjectCreated:Put", second),
        ("ObjectTagging:Put", first),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", marker),
        ("ObjectRemoved:Delete", second),
    ]
    sequencers = [told["sequencer"] for told in objects]
    assert sequencers == sorted(sequencers)


def test_only_what_is_wanted_and_done_is_told(
    s3: S3Front, bucket: str, hook: Webhook, daemon: Notifier, configure: Configure
) -> None:
    """Other keys, other events, refused writes: nothing."""
    configure("s3:ObjectCreated:Put", prefix="in/", suffix=".jpg")
    boto = s3.client()
    boto.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"x")
    boto.put_object(Bucket=bucket, Key="in/a.png", Body=b"x")
    boto.put_object(Bucket=bucket, Key="a.jpg", Body=b"x")
    boto.copy_object(Bucket=bucket, Key="in/b.jpg", CopySource={"Bucket": bucket, "Key": "a.jpg"})
    for wrong in ({"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {"IfNoneMatch": "*"}):
        with pytest.raises(ClientError):
            boto.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"y", **wrong)
    stranger = s3.store.client("test2:tester2")
    assert stranger.put(bucket, "in/a.jpg", body=b"y").status == 403
    boto.delete_object(Bucket=bucket, Key="in/a.jpg")
    daemon.once()
    assert hook.events == [("ObjectCreated:Put", "in/a.jpg")]


def test_a_configuration_is_kept_as_it_was_set(s3: S3Front, bucket: str, hook: Webhook) -> None:
    """By boto3 and by awscli; an empty one takes it away; what names no target is refused."""
    boto = s3.client()
    rule = {
        "Id": "one",
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a/"}]}},
    }
    kinds = {
        "TopicConfigurations": [{**rule, "TopicArn": hook.arn}],
        "QueueConfigurations": [{"Id": "two", "Events": ["s3:ObjectRemoved:Delete"], "QueueArn": hook.arn}],
        "LambdaFunctionConfigurations": [
            {"Id": "three", "Events": ["s3:ObjectTagging:*"], "LambdaFunctionArn": hook.arn}
        ],
    }
    boto.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=kinds)
    kept = boto.get_bucket_notification_configuration(Bucket=bucket)
    assert {kind: kept[kind] for kind in kinds} == kinds
    with pytest.raises(ClientError, match="InvalidArgument"):
        boto.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"TopicConfigurations": [{**rule, "TopicArn": f"{hook.arn}-not"}]},
        )
    aws = [sys.executable, "-m", "awscli", "s3api"]
    put = [*aws, "put-bucket-notification-configuration", "--bucket", bucket, "--notification-configuration"]
    subprocess.run([*put, "{}"], env=s3.environment(), check=True, timeout=1800)
    kept = boto.get_bucket_notification_configuration(Bucket=bucket)
    assert not kept.keys() - {"ResponseMetadata"}


def test_trap_a_proxy_killed_between_write_and_record(
    shared_cluster: AllInOne,
    s3: S3Front,
    bucket: str,
    hook: Webhook,
    daemon: Notifier,
    configure: Configure,
    tmp_path: Path,
) -> None:
    """The write is there and nobody has said so: it is told all the same, with size and ETag."""
    configure()
    port = free_port_block(1)
    conf = with_filters(
        (shared_cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text(), {}, before="s3", port=port
    )
    with front(conf, tmp_path, port=port, program=(str(DYING_PROXY),)) as dying:
        client = dying.client()
        with pytest.raises((OSError, http.client.HTTPException)):
            client.put(bucket, "k", body=b"12345")
    assert s3.swift().get(bucket, "k").body == b"12345"
    daemon.once()
    assert hook.events == [("ObjectCreated:Put", "k")]
    told = hook.taken[0].record["s3"]["object"]
    assert (told["size"], told["eTag"]) == (5, hashlib.md5(b"12345").hexdigest())


def test_trap_a_notifier_killed_in_the_middle(
    s3: S3Front, bucket: str, hook: Webhook, daemon: Notifier, configure: Configure
) -> None:
    """What was sent and not taken out is sent again, with the same id."""
    configure()
    s3.client().put_object(Bucket=bucket, Key="k", Body=b"x")
    running: list[subprocess.Popen[bytes]] = []

    def kill(_message: Message) -> int:
        until(lambda: running)
        running[0].kill()
        return 0

    hook.answer = kill
    with daemon.running() as process:
        running.append(process)
        process.wait(timeout=180)
    hook.answer = lambda _message: 200
    daemon.once()
    assert [message.record["eventName"] for message in hook.messages] == ["ObjectCreated:Put"] * 2
    ids = {message.headers[messages.EVENT_ID] for message in hook.messages}
    assert len(ids) == 1


def test_a_webhook_that_fails_holds_up_its_own_keys_alone(
    shared_cluster: AllInOne, s3: S3Front, bucket: str, hook: Webhook, tmp_path: Path, configure: Configure
) -> None:
    """500 and later 200: each event comes, those of a key in order. One that hangs is in nobody's way."""
    configure("s3:ObjectCreated:*")
    boto = s3.client()
    with webhook(shared_cluster, timeout="0.5") as hanging:
        hanging.answer = lambda _message: time.sleep(2) or 0  # type: ignore[func-returns-value]
        boto.create_bucket(Bucket=f"{bucket}-h")
        rule = {"TopicArn": hanging.arn, "Events": ["s3:ObjectCreated:*"]}
        boto.put_bucket_notification_configuration(
            Bucket=f"{bucket}-h", NotificationConfiguration={"TopicConfigurations": [rule]}
        )
        boto.put_object(Bucket=f"{bucket}-h", Key="k", Body=b"x")
        for key in ("a", "b", "a", "a"):
            boto.put_object(Bucket=bucket, Key=key, Body=b"x")
        failures = iter((500, 500, 503, 500))
        hook.answer = lambda _message: next(failures, 200)
        with notifier(shared_cluster, tmp_path).running():
            until(lambda: len(hook.taken) == 4 and len(hanging.messages) > 1)
            figures = tmp_path / "container.recon"
            until(lambda: figures.exists() and hook.name in figures.read_text())
        assert [key for _, key in hook.events if key == "a"] == ["a"] * 3
        sequencers = [
            message.record["s3"]["object"]["sequencer"]
            for message in hook.taken
            if message.record["s3"]["object"]["key"] == "a"
        ]
        assert sequencers == sorted(sequencers)
        told = recon_cache.look(tmp_path, "container")["notifier_last_pass"]["0"]["targets"]
        assert told[hanging.name]["waiting"] == 1
        boto.delete_object(Bucket=f"{bucket}-h", Key="k")
        boto.delete_bucket(Bucket=f"{bucket}-h")


def test_a_lifecycle_is_heard(
    shared_cluster: AllInOne,
    s3: S3Front,
    bucket: str,
    hook: Webhook,
    daemon: Notifier,
    configure: Configure,
    tmp_path: Path,
) -> None:
    """By a name of its own."""
    configure()
    boto = s3.client()
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    rule = {"Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2020-01-01T00:00:00Z"}}
    boto.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    pass_of_all_nodes(shared_cluster, tmp_path / "lifecycles")
    daemon.once()
    assert hook.events == [("ObjectCreated:Put", "k"), ("LifecycleExpiration:Delete", "k")]
