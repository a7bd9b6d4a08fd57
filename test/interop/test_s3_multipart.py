"""Uploads in several parts that stock Swift's s3api has begun, ours finishes, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne, free_port_block
from fronts import front, with_filters
from s3 import S3Front
from stock import StockPrograms

pytestmark = [pytest.mark.interop, pytest.mark.slow]
BUCKET = "shared"


@pytest.fixture
def doors(cluster: AllInOne, stock: StockPrograms) -> Iterator[tuple[Any, Any]]:
    """Clients of our S3 and of stock's, over the same storage servers."""
    folder = cluster.home / "proxy" / "etc"
    conf = (folder / "proxy-server.conf").read_text()
    conf = conf.replace("[app:proxy-server]\n", "[app:proxy-server]\ninfo_cache_seconds = 0\n")
    port = free_port_block(1)
    text = with_filters(conf, {"s3": {"min_segment_size": "1"}}, before="tempauth", port=port)
    stocks = stock.add_proxy({"s3api": {"min_segment_size": "1"}}, forgets=True)
    with front(text, folder, port=port) as ours:
        yield S3Front(ours, None, Path()).client(), S3Front(stocks, None, Path()).client()


def test_either_carries_on_what_the_other_began(doors: tuple[Any, Any]) -> None:
    """Begun here, the second part there, completed here, read, listed and deleted there."""
    doors[0].create_bucket(Bucket=BUCKET)
    for here, there in (doors, doors[::-1]):
        began = here.create_multipart_upload(
            Bucket=BUCKET, Key="a/k", ContentType="text/x", Metadata={"who": "me"}
        )
        upload = {"Bucket": BUCKET, "Key": "a/k", "UploadId": began["UploadId"]}
        parts = [
            {"PartNumber": number, "ETag": door.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, (door, body) in enumerate(((here, b"one"), (there, b"two")), 1)
        ]
        for door in doors:
            assert [part["Size"] for part in door.list_parts(**upload)["Parts"]] == [3, 3]
            listed = door.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
            assert [(each["Key"], each["UploadId"]) for each in listed] == [("a/k", upload["UploadId"])]
        made = there.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        again = here.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert again["ETag"] == made["ETag"]
        for door in doors:
            got = door.get_object(Bucket=BUCKET, Key="a/k")
            assert (got["Body"].read(), got["ETag"]) == (b"onetwo", made["ETag"])
            assert (got["ContentType"], got["Metadata"]) == ("text/x", {"who": "me"})
            assert door.list_objects_v2(Bucket=BUCKET)["Contents"][0]["ETag"] == made["ETag"]
            assert not door.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
        here.delete_object(Bucket=BUCKET, Key="a/k")


def test_either_gives_up_what_the_other_began(doors: tuple[Any, Any]) -> None:
    """Afterwards there is no such upload through either."""
    doors[0].create_bucket(Bucket=BUCKET)
    for here, there in (doors, doors[::-1]):
        began = here.create_multipart_upload(Bucket=BUCKET, Key="k")
        upload = {"Bucket": BUCKET, "Key": "k", "UploadId": began["UploadId"]}
        there.upload_part(**upload, PartNumber=1, Body=b"one")
        there.abort_multipart_upload(**upload)
        for door in doors:
            with pytest.raises(ClientError) as caught:
                door.list_parts(**upload)
            assert caught.value.response["Error"]["Code"] == "NoSuchUpload"
