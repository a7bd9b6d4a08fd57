"""Our command, `apus`, before stock OpenStack Swift, before our own proxy, and half of the way before either."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import programs
import pytest
import trees
from programs import output, swift
from side_by_side import Fronts
from store import Store, ask

pytestmark = [pytest.mark.interop, pytest.mark.slow]
PIECE_BYTES = 1 << 20


def apus(store: Store, cwd: Path, *words: str) -> list[dict[str, Any]]:
    """Run `apus` to its end; what it told, record by record."""
    done = programs.apus(store, words[0], "--json", *words[1:], cwd=cwd)
    return [json.loads(line) for line in output(done).splitlines()]


def test_either_store_takes_up_the_upload_that_began_before_the_other(fronts: Fronts, tmp_path: Path) -> None:
    """Segment by segment, also what `swift` began; either hands it out, and deletes it with its segments."""
    ours, stocks = fronts.plain.ours, fronts.plain.stocks
    large = trees.big_file(tmp_path / "big", 3 * PIECE_BYTES + 17)
    os.utime(large, ns=(0, 1_700_000_000_123_456_789))
    for first, second in ((ours, stocks), (stocks, ours)):
        client = first.client()
        with client.container() as bucket:
            swift(first, "upload", "-S", str(PIECE_BYTES), "--use-slo", bucket, "big", cwd=tmp_path)
            segments = client.names_in(f"{bucket}_segments")
            client.delete(bucket, "big")
            client.delete(f"{bucket}_segments", segments[1])
            told = apus(second, tmp_path, "upload", bucket, "big", "-S", "1M")
            assert told[0]["sent_bytes"] == PIECE_BYTES
            assert client.names_in(f"{bucket}_segments") == segments
            apus(second, tmp_path, "copy", bucket, "big", "-d", f"/{bucket}/copy")
            for name in ("big", "copy"):
                apus(first, tmp_path, "download", bucket, name, "-o", "back")
                assert (tmp_path / "back").read_bytes() == large.read_bytes()
            apus(first, tmp_path, "delete", bucket, "big")
            assert client.names_in(f"{bucket}_segments") == []
            client.clear(f"{bucket}_segments")


def test_a_tree_is_the_same_before_either(fronts: Fronts, tmp_path: Path) -> None:
    """What one sync has brought, the next finds, whichever way it goes; the container goes with all of it."""
    ours, stocks = fronts.plain.ours, fronts.plain.stocks
    here = trees.odd_names(tmp_path / "here")
    (here / "empty").mkdir()
    for first, second in ((ours, stocks), (stocks, ours)):
        client = first.client()
        with client.container() as bucket:
            apus(first, tmp_path, "sync", "here", f"store:{bucket}/a")
            again = apus(second, tmp_path, "sync", "here", f"store:{bucket}/a", "--delete")
            assert [(each["action"], each["failed"]) for each in again] == [("summary", 0)]
            back = f"back-{bucket}"
            apus(second, tmp_path, "sync", f"store:{bucket}/a", back)
            assert trees.digests(tmp_path / back) == trees.digests(here)
            apus(second, tmp_path, "delete", bucket)
            assert client.head(bucket).status == 404


def test_a_temporary_url_opens_either(fronts: Fronts, tmp_path: Path) -> None:
    """As it is printed, whatever the name holds."""
    name = "what? 100% ü#&.txt"
    client = fronts.plain.ours.client()
    with client.container() as bucket:
        client.put(bucket, name, body=b"opened")
        apus(fronts.plain.ours, tmp_path, "post", bucket, "-m", "Temp-URL-Key:secret")
        for front in (fronts.plain.ours, fronts.plain.stocks):
            place = f"{front.endpoint}{client.account_path}/{bucket}/{quote(name)}"
            made = programs.apus(front, "tempurl", "GET", "600", place, "secret", cwd=tmp_path)
            url = output(made).strip()
            reply = ask(front.address, "GET", url.removeprefix(front.endpoint), {})
            assert (reply.status, reply.body) == (200, b"opened")
            assert "tempurl" in output(programs.apus(front, "capabilities", cwd=tmp_path))
