"""Pages and versions that stock Swift's s3api and ours show of the same buckets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import AllInOne, free_port_block
from fronts import front, with_filters
from s3 import S3Front
from stock import StockPrograms

pytestmark = [pytest.mark.interop, pytest.mark.slow]
BUCKET = "shared"
KEYS = ["a b", "a+b", "a/ü", "a/ü/x", "a/<&>", "b/\n", "b/1", "~"]
SAME = ("Name", "Prefix", "Delimiter", "MaxKeys", "IsTruncated", "EncodingType", "CommonPrefixes")


@pytest.fixture
def doors(cluster: AllInOne, stock: StockPrograms) -> Iterator[tuple[Any, Any]]:
    """Clients of our S3 and of stock's, over the same storage servers."""
    folder = cluster.home / "proxy" / "etc"
    conf = (folder / "proxy-server.conf").read_text()
    conf = conf.replace("[app:proxy-server]\n", "[app:proxy-server]\ninfo_cache_seconds = 0\n")
    port = free_port_block(1)
    text = with_filters(conf, {"s3": {}}, before="tempauth", port=port)
    stocks = stock.add_proxy({"s3api": {}}, forgets=True)
    with front(text, folder, port=port) as ours:
        yield S3Front(ours, None, Path()).client(), S3Front(stocks, None, Path()).client()


def facts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "Owner"}


def test_trap_72_either_carries_on_where_the_other_stopped(doors: tuple[Any, Any]) -> None:
    """Its tokens and markers mean the same to both, and so do its rows."""
    doors[0].create_bucket(Bucket=BUCKET)
    for number, key in enumerate(KEYS):
        doors[number % 2].put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    for delimiter in ("", "/", "ü"):
        seen: list[str] = []
        token: dict[str, str] = {}
        while True:
            query = {"Bucket": BUCKET, "Delimiter": delimiter, "MaxKeys": 1, **token}
            ours, theirs = (door.list_objects_v2(**query) for door in doors)
            assert [ours.get(name) for name in SAME] == [theirs.get(name) for name in SAME]
            assert ours["KeyCount"] == theirs["KeyCount"]
            rows, others = ([facts(row) for row in page.get("Contents", ())] for page in (ours, theirs))
            assert rows == others
            seen += [row["Key"] for row in rows]
            seen += [row["Prefix"] for row in ours.get("CommonPrefixes", ())]
            assert ours.get("NextContinuationToken") == theirs.get("NextContinuationToken")
            if not ours["IsTruncated"]:
                break
            token = {"ContinuationToken": ours["NextContinuationToken"]}
        assert len(seen) == len(set(seen))
        if not delimiter:
            assert seen == sorted(KEYS)


def test_versions_of_either_are_versions_of_the_other(doors: tuple[Any, Any]) -> None:
    """Made, marked and listed by both in turn; where one removes a marker, the other finds the key again."""
    doors[0].create_bucket(Bucket=BUCKET)
    doors[1].put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert doors[0].get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    ids = [
        door.put_object(Bucket=BUCKET, Key="k", Body=body)["VersionId"]
        for door, body in zip(doors, (b"1", b"2"), strict=True)
    ]
    for here, there in (doors, doors[::-1]):
        assert here.get_object(Bucket=BUCKET, Key="k", VersionId=ids[0])["Body"].read() == b"1"
        marker = here.delete_object(Bucket=BUCKET, Key="k")["VersionId"]
        pages = [door.list_object_versions(Bucket=BUCKET, Prefix="k") for door in doors]
        for kind in ("Versions", "DeleteMarkers"):
            ours, theirs = ([facts(row) for row in page[kind]] for page in pages)
            assert ours == theirs
        assert pages[0]["DeleteMarkers"][0]["VersionId"] == marker
        there.delete_object(Bucket=BUCKET, Key="k", VersionId=marker)
        assert here.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"2"
