"""Whatever one API knows of an object the other one knows, too, in both directions: names, words, links, ends."""

from __future__ import annotations

import json
import time
from email.header import decode_header, make_header
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rawsocket import exchange
from s3 import S3Front
from s3_wire import PROBE, signed

KEYS = (
    "plain",
    "a/b//c/./../d",
    "folder/",
    "folder",
    "100% + & = ? # ;",
    "é",
    "e\u0301",  # The same letter in two characters: another name.
    "日本語/🎉",
    "a\nb\tc",
    "'\"<>\\`|",
    " blanks ",
    "~tilde_and-dash.dot",
    "k" * 1024,
)
WORDS = {
    "CacheControl": ("cache-control", "max-age=60, public"),
    "ContentDisposition": ("content-disposition", 'attachment; filename="a b.txt"'),
    "ContentEncoding": ("content-encoding", "gzip"),
    "ContentLanguage": ("content-language", "de, en"),
    "ContentType": ("content-type", 'text/plain; charset="utf-8"'),
    "Expires": ("expires", "Wed, 01 Jan 2031 00:00:00 GMT"),
}
META = {"colour": "red", "a-b": "1", "x.y": "2", "empty": "", "many": "a,b; c=d", "word": "=?x?="}


@pytest.fixture
def boto(s3: S3Front) -> Any:
    """One client is enough here."""
    return s3.client()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
def test_trap_11_every_name_is_the_same_by_both(boto: Any, s3: S3Front, bucket: str, key: str) -> None:
    """Written, read, listed and deleted by either one."""
    swift, body = s3.swift(), key.encode()
    boto.put_object(Bucket=bucket, Key=key, Body=body)
    assert swift.get(bucket, key).body == body
    assert swift.put(bucket, key, body=body + b"!").status == 201
    assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == body + b"!"
    assert [row["Key"] for row in boto.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert swift.names_in(bucket) == [key]
    boto.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert swift.request("COPY", bucket, key, headers={"Destination": f"{bucket}/second"}).status == 201
    assert swift.delete(bucket, key).status == 204
    with pytest.raises(ClientError):
        boto.head_object(Bucket=bucket, Key=key)
    boto.delete_object(Bucket=bucket, Key="copy")
    assert boto.get_object(Bucket=bucket, Key="second")["Body"].read() == body + b"!"
    assert swift.names_in(bucket) == ["second"]


def test_what_is_said_of_content_is_the_same_by_both(boto: Any, s3: S3Front, bucket: str) -> None:
    """Six headers and metadata, whichever API has written them."""
    swift = s3.swift()
    said = {name: value for name, (_, value) in WORDS.items()}
    boto.put_object(Bucket=bucket, Key="s3", Body=b"x", Metadata=META, **said)
    headers = dict(WORDS.values())
    metas = {f"X-Object-Meta-{name}": value for name, value in META.items()}
    swift.put(bucket, "swift", body=b"x", headers={**headers, **metas})
    for key in ("s3", "swift"):
        shown = swift.head(bucket, key).headers
        assert {name: shown.get(name) for name in headers} == headers, key
        assert all(shown.get(f"x-object-meta-{name}", "") == value for name, value in META.items()), shown
        got = boto.head_object(Bucket=bucket, Key=key)
        for name, value in said.items():
            assert got.get("ExpiresString" if name == "Expires" else name) == value, (key, name)
        assert {**META, **got["Metadata"]} == META


def test_trap_86_metadata_in_any_script_are_the_same_by_both(boto: Any, s3: S3Front, bucket: str) -> None:
    """As UTF-8 on the wire of the one, as RFC 2047 has it in the answers of the other."""
    text = "Jörg 日本 🎉"
    swift = s3.swift()
    wire = text.encode().decode("latin-1")
    swift.put(bucket, "swift", body=b"x", headers={"X-Object-Meta-Name": wire})
    sent = signed(s3, "PUT", f"/{bucket}/s3", b"x", {"x-amz-meta-name": text})
    assert exchange(s3.store.address, sent, PROBE, silence_seconds=5).statuses == [200, 200]
    for key in ("swift", "s3"):
        assert swift.head(bucket, key).headers["x-object-meta-name"] == wire
        said = boto.head_object(Bucket=bucket, Key=key)["Metadata"]["name"]
        assert str(make_header(decode_header(said))) == text


def test_names_of_metadata_keep_their_underscores(boto: Any, s3: S3Front, bucket: str) -> None:
    """Written by S3 and read by it; the other API spells them as stock Swift does."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a_b": "1", "c-d": "2"})
    assert boto.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a_b": "1", "c-d": "2"}
    shown = s3.swift().head(bucket, "k").headers
    assert (shown["x-object-meta-a=5fb"], shown["x-object-meta-c-d"]) == ("1", "2")


def test_tags_are_kept_by_copies_of_either(boto: Any, s3: S3Front, bucket: str) -> None:
    """And by a version; a POST of metadata, which replaces them all, takes them away."""
    swift = s3.swift()
    boto.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=%C3%A9")
    swift.request("COPY", bucket, "k", headers={"Destination": f"{bucket}/copy"})
    expected = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "é"}]
    assert boto.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == expected
    swift.put(bucket, "plain", body=b"x")
    boto.put_object_tagging(Bucket=bucket, Key="plain", Tagging={"TagSet": expected})
    assert boto.head_object(Bucket=bucket, Key="plain")["TagCount"] == 2
    assert not any("tagging" in name for name in swift.head(bucket, "plain").headers)
    swift.post(bucket, "plain", headers={"X-Object-Meta-A": "1"})
    assert boto.get_object_tagging(Bucket=bucket, Key="plain")["TagSet"] == []


def test_a_link_is_read_through_and_goes_by_itself(boto: Any, s3: S3Front, bucket: str) -> None:
    """S3 sees what it leads to; what is written, copied or deleted there is the link's name alone."""
    swift = s3.swift()
    boto.put_object(Bucket=bucket, Key="target", Body=b"there", Metadata={"m": "1"})
    link = {"X-Symlink-Target": f"{bucket}/target"}
    for key in ("link", "gone", "written"):
        assert swift.put(bucket, key, headers=link).status == 201
    got = boto.get_object(Bucket=bucket, Key="link")
    assert (got["Body"].read(), got["Metadata"], got["ContentLength"]) == (b"there", {"m": "1"}, 5)
    assert boto.get_object(Bucket=bucket, Key="link", Range="bytes=1-2")["Body"].read() == b"he"
    boto.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/link")
    boto.put_object(Bucket=bucket, Key="written", Body=b"mine")
    boto.delete_object(Bucket=bucket, Key="gone")
    boto.delete_object(Bucket=bucket, Key="target")
    assert swift.get(bucket, "copy").body == b"there"
    assert swift.get(bucket, "written").body == b"mine"
    with pytest.raises(ClientError) as caught:
        boto.get_object(Bucket=bucket, Key="link")
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"


def test_trap_89_what_has_expired_is_gone_by_both(boto: Any, s3: S3Front, bucket: str) -> None:
    """At its moment, not when somebody comes to delete it; either API tells of it before."""
    swift = s3.swift()
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    moment = int(time.time()) + 2
    assert swift.post(bucket, "k", headers={"X-Delete-At": str(moment)}).status == 202
    assert "expiry-date=" in boto.head_object(Bucket=bucket, Key="k")["Expiration"]
    boto.copy_object(Bucket=bucket, Key="stays", CopySource=f"{bucket}/k")
    while swift.head(bucket, "k").status == 200:
        assert time.time() < moment + 2
        time.sleep(0.05)
    for asked in (boto.get_object, boto.head_object, boto.get_object_tagging):
        with pytest.raises(ClientError) as caught:
            asked(Bucket=bucket, Key="k")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert boto.get_object(Bucket=bucket, Key="stays")["Body"].read() == b"x"


def test_an_upload_in_parts_is_a_large_object_by_the_other(boto: Any, s3: S3Front, bucket: str) -> None:
    """Read whole, in ranges and as a manifest, copied as data and as a manifest, and overwritten."""
    swift, parts = s3.swift(), [b"a" * (5 << 20), b"b" * 10]
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/x", Metadata={"m": "1"})
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    etags = [
        {"PartNumber": number, "ETag": boto.upload_part(**at, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(parts, 1)
    ]
    done = boto.complete_multipart_upload(**at, MultipartUpload={"Parts": etags})
    whole = b"".join(parts)
    reply = swift.get(bucket, "k")
    assert reply.body == whole
    assert (reply.headers["content-type"], reply.headers["x-object-meta-m"]) == ("text/x", "1")
    edge = {"Range": f"bytes={(5 << 20) - 2}-{(5 << 20) + 1}"}
    assert swift.get(bucket, "k", headers=edge).body == b"aabb"
    manifest = swift.request("GET", bucket, "k", query={"multipart-manifest": "get"}).json()
    assert [row["bytes"] for row in manifest] == [len(part) for part in parts]
    row = next(row for row in swift.get(bucket, format="json").json() if row["name"] == "k")
    assert (row["bytes"], row["s3_etag"]) == (len(whole), done["ETag"])
    copy = {"Destination": f"{bucket}/data"}
    assert swift.request("COPY", bucket, "k", headers=copy).status == 201
    copy = {"Destination": f"{bucket}/manifest"}
    query = {"multipart-manifest": "get"}
    assert swift.request("COPY", bucket, "k", headers=copy, query=query).status == 201
    for key in ("data", "manifest"):
        assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == whole
    segments = [{"path": f"/{bucket}/data", "range": "0-2"}, {"path": f"/{bucket}/data", "range": "-2"}]
    query = {"multipart-manifest": "put"}
    assert swift.request("PUT", bucket, "slo", body=json.dumps(segments).encode(), query=query).status == 201
    assert boto.get_object(Bucket=bucket, Key="slo")["Body"].read() == b"aaabb"


def test_a_bucket_is_a_container_by_the_other(boto: Any, s3: S3Front, bucket: str) -> None:
    """Made, listed, filled and emptied by either one."""
    swift, name = s3.swift(), f"{bucket}-swift"
    assert swift.put(name, headers={"X-Container-Meta-Colour": "red"}).status == 201
    assert {bucket, name} <= {row["Name"] for row in boto.list_buckets()["Buckets"]}
    boto.put_object(Bucket=name, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        boto.delete_bucket(Bucket=name)
    assert swift.head(name).headers["x-container-object-count"] in ("0", "1")
    swift.delete(name, "k")
    boto.delete_bucket(Bucket=name)
    assert swift.head(name).status == 404
