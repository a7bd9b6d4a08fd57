"""Stock Swift's own diskfile as the oracle: it reads what we write, we read what it writes, and we agree on every folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from object_server import ObjectNode, moment
from stock import stock_venv

from apus.common.timestamp import Timestamp
from apus.object.files import hashes
from apus.object.files.names import DATA, META, TOMBSTONE, file_name, select

pytestmark = pytest.mark.interop
SCRIPT = Path(__file__).resolve().parents[1] / "support" / "stock_diskfile.py"
SIZES = (0, 1, 4096, 70_000, 3_000_000)


def stock(**request: Any) -> Any:
    """Ask stock's diskfile."""
    python = stock_venv() / "bin" / "python"
    done = subprocess.run(
        [python, "-W", "ignore", SCRIPT],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def some_folder(rng: random.Random) -> list[str]:
    """Names such as crossing requests and replication leave them."""
    names = set()
    for _ in range(rng.randint(0, 7)):
        at = Timestamp(170_000_000_000_000 + rng.randint(0, 5), rng.choice([0, 0, 0, 171]))
        kind = rng.choice([DATA, META, META, TOMBSTONE])
        typed = None
        if kind == META and rng.random() < 0.6:
            typed = Timestamp(at.ticks - rng.randint(0, 4))
        names.add(file_name(at, kind, typed))
    if rng.random() < 0.2:
        names.add("1700000000.00000#2#d.data")
    return sorted(names)


def is_clear(folder: list[str]) -> bool:
    """Whether stock itself has an answer: it cannot order a .meta without a content type's moment in some cases."""
    metas = [name.rpartition(".")[0] for name in folder if name.endswith(META)]
    moments = [stem.partition("-")[0].partition("+")[0] for stem in metas]
    return len(set(moments)) == len(moments) and all("-" in stem or "+" in stem for stem in metas)


def test_every_folder_means_the_same() -> None:
    """Two thousand folders: the same files are the object, the same are obsolete."""
    rng = random.Random(20261121)
    folders = [folder for folder in (some_folder(rng) for _ in range(4000)) if is_clear(folder)][:2000]
    for folder, theirs in zip(folders, stock(do="select", folders=folders), strict=True):
        ours = select(folder)
        used = (ours.data, ours.meta, ours.tombstone, ours.content_type)
        assert sorted({file.name for file in used if file}) == theirs["chosen"], folder
        assert sorted({file.name for file in ours.obsolete}) == theirs["obsolete"], folder


def test_stock_reads_what_we_write(tmp_path: Path) -> None:
    """Bodies, metadata of any bytes, POSTs and tombstones; and it computes the same suffix hashes."""
    node = ObjectNode(tmp_path)
    bodies = {f"ö{size}": os.urandom(size) for size in SIZES}
    for name, body in bodies.items():
        path = "/sda/7/a/c/" + name.encode().decode("latin-1")
        node.put(body, at=0, path=path, X_Object_Meta_Odd="\xff\xc3\xa9", X_Object_Sysmeta_S="s")
        if len(body) == 1:
            node.ask("POST", path, at=3, X_Object_Meta_Odd="new", Content_Type="image/png")
    node.put(at=0, path="/sda/7/a/c/gone")
    node.ask("DELETE", "/sda/7/a/c/gone", at=5)
    *found, gone = stock(do="read", devices=str(tmp_path), names=[*bodies, "gone"])
    assert gone == {"absent": moment(5)}
    for (name, body), theirs in zip(bodies.items(), found, strict=True):
        assert base64.b64decode(theirs["body"]) == body
        content = theirs["metadata"]
        assert content["name"] == f"/a/c/{name}"
        assert content["ETag"] == hashlib.md5(body).hexdigest()
        assert content["X-Object-Sysmeta-S"] == "s"
        posted = len(body) == 1
        assert content["X-Object-Meta-Odd"] == ("new" if posted else "\xff\xc3\xa9")
        assert content["Content-Type"] == ("image/png" if posted else "text/plain")
    ours = hashes.suffix_hashes(str(tmp_path / "sda"), 0, 7, reclaim_age_seconds=1e12, now=time.time())
    (tmp_path / "sda" / "objects" / "7" / "hashes.pkl").unlink()
    theirs = stock(do="hashes", devices=str(tmp_path))
    assert ours == theirs


def test_we_read_what_stock_writes(tmp_path: Path) -> None:
    """The other way round; and a POST of ours over stock's data is read by stock."""
    node = ObjectNode(tmp_path)
    objects: list[dict[str, Any]] = []
    for size in SIZES:
        data = {"X-Timestamp": moment(0), "Content-Type": "text/plain", "X-Object-Meta-Odd": "\xff\xc3\xa9"}
        objects.append(
            {"name": f"é{size}", "body": base64.b64encode(os.urandom(size)).decode(), "data": data}
        )
    objects[1]["meta"] = {
        "X-Timestamp": moment(3),
        "X-Object-Meta-Late": "1",
        "Content-Type": "image/png",
        "Content-Type-Timestamp": moment(2),
    }
    objects[2]["deleted"] = moment(4)
    stock(do="write", devices=str(tmp_path), objects=objects)
    for one in objects:
        got = node.ask("GET", "/sda/7/a/c/" + one["name"].encode().decode("latin-1"))
        if "deleted" in one:
            assert (got.status, got.headers["x-backend-timestamp"]) == (404, moment(4))
            continue
        assert (got.status, got.body) == (200, base64.b64decode(one["body"]))
        if "meta" in one:
            assert (got.headers["x-object-meta-late"], got.headers["content-type"]) == ("1", "image/png")
            assert "x-object-meta-odd" not in got.headers
        else:
            assert got.headers["x-object-meta-odd"] == "\xff\xc3\xa9"
    path = "/sda/7/a/c/" + objects[0]["name"].encode().decode("latin-1")
    assert node.ask("POST", path, at=9, X_Object_Meta_Ours="1").status == 202
    (theirs,) = stock(do="read", devices=str(tmp_path), names=[objects[0]["name"]])
    assert theirs["metadata"]["X-Object-Meta-Ours"] == "1"
    assert node.quarantined() == []
