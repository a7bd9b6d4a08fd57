"""The same questions to stock Swift's broker and to ours, over the same file: the same answers."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stock import stock_venv

from apus.common.database.listing import Query, Subdir
from apus.common.timestamp import Timestamp
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow, tombstone

pytestmark = pytest.mark.interop

FOLDER = Path("d1", "containers", "1", "abc", "0" * 29 + "abc")
START = 1_700_000_000
STOCK = """
import json, sys
from swift.common import utils
utils.HASH_PATH_SUFFIX = b"x"
from swift.container.backend import ContainerBroker
for line in sys.stdin:
    call = json.loads(line)
    with ContainerBroker(call["path"]) as broker:
        print(json.dumps(getattr(broker, call["method"])(*call["args"], **call["options"])), flush=True)
"""


class Oracle:
    """Stock's container broker in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [str(stock_venv() / "bin" / "python"), "-c", STOCK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, broker: ContainerBroker, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of stock's broker for the same file."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        call = {"path": broker.path, "method": method, "args": args, "options": options}
        print(json.dumps(call), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    made = Oracle()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> ContainerBroker:
    made = ContainerBroker(str(tmp_path / FOLDER / f"{FOLDER.name}.db"))
    at = Timestamp.of(START)
    made.initialize("a", "c é", put_timestamp=at.internal, policy_index=1, now=at)
    return made


def name(rng: random.Random) -> str:
    return "".join(rng.choice("ab/é\n%0-\U0001f600") for _ in range(rng.randrange(1, 6)))


def moment(seconds: int) -> str:
    return Timestamp.of(START + seconds).internal


def test_listings_agree(broker: ContainerBroker, oracle: Oracle) -> None:
    """Random names and random questions; stock's answer is the right one."""
    rng = random.Random(7)
    rows = [ObjectRow(name(rng), moment(5), 1, "a/b", "e", int(rng.random() < 0.2), 1) for _ in range(300)]
    broker.merge_rows({row.name: row for row in rows}.values())
    broker.close()
    for question in range(400):
        prefix = rng.choice(["", "", name(rng)[:2]])
        query = Query(
            limit=rng.choice([0, 1, 3, 10, 1000]),
            marker=rng.choice(["", "", name(rng)]),
            end_marker=rng.choice(["", "", name(rng)]),
            prefix=prefix,
            delimiter=rng.choice(["", "/", "a", "é", "//", "a/"]),
            reverse=rng.random() < 0.4,
        )
        theirs = oracle.ask(
            broker,
            "list_objects_iter",
            query.limit,
            query.marker,
            query.end_marker,
            query.prefix,
            query.delimiter,
            storage_policy_index=1,
            reverse=query.reverse,
        )
        ours = [item.name if isinstance(item, Subdir) else item[0] for item in broker.listing(query, 1)]
        assert ours == [item[0] for item in theirs], (question, query)


def test_summaries_agree(broker: ContainerBroker, oracle: Oracle) -> None:
    """Counts, hash, moments, metadata and sync points of what we wrote, and of what stock writes into it."""
    rng = random.Random(3)
    for step in range(60):
        row = ObjectRow(name(rng), moment(step), step, "a/b", "e", 0, rng.randrange(2))
        if rng.random() < 0.3:
            row = tombstone(row.name, row.created_at, row.policy_index)
        if rng.random() < 0.5:
            broker.put_object(row)
        else:
            values = (row.size, row.content_type, row.etag, row.deleted, row.policy_index)
            oracle.ask(broker, "put_object", row.name, row.created_at, *values)
    broker.merge_metadata({"X-Container-Meta-A": ("ü", moment(1))})
    oracle.ask(broker, "update_metadata", {"X-Container-Meta-B": ["ß", moment(2)]})
    broker.merge_sync_points([{"remote_id": "r", "sync_point": 4}])
    ours = broker.replication_info()
    theirs = oracle.ask(broker, "get_replication_info")
    assert {key: theirs[key] for key in ours} == ours
    assert set(theirs) == set(ours)
    assert oracle.ask(broker, "get_sync", "r") == 4
    assert oracle.ask(broker, "get_items_since", 3, 50) == broker.items_since(3, 50)
    assert {key: tuple(item) for key, item in json.loads(theirs["metadata"]).items()} == broker.metadata()


def test_merges_agree(broker: ContainerBroker, oracle: Oracle, tmp_path: Path) -> None:
    """The same reports, of different moments, to both: the same rows, POSTs and large objects included."""
    rng = random.Random(11)
    at = Timestamp.of(START)
    other = ContainerBroker(str(tmp_path / "two" / FOLDER / f"{FOLDER.name}.db"))
    other.initialize("a", "c", put_timestamp=at.internal, policy_index=1, now=at)
    seconds = list(range(1, 2000))
    rng.shuffle(seconds)
    items = []
    for _ in range(300):
        deleted = int(rng.random() < 0.3)
        items.append(
            {
                "name": f"o{rng.randrange(40)}",
                "created_at": moment(seconds.pop()),
                "size": 0 if deleted else rng.randrange(100),
                "content_type": "application/deleted"
                if deleted
                else rng.choice(["a/b", "a/b;charset=utf-8", "c/d;swift_bytes=7"]),
                "etag": "noetag" if deleted else f"e{rng.randrange(5)}",
                "deleted": deleted,
                "storage_policy_index": rng.randrange(2),
                "ctype_timestamp": None if deleted else rng.choice([None, moment(seconds.pop())]),
                "meta_timestamp": None if deleted else rng.choice([None, moment(seconds.pop())]),
            }
        )
    for start in range(0, 300, 7):
        broker.merge_items(items[start : start + 7])
        oracle.ask(other, "merge_items", items[start : start + 7])

    def rows(which: ContainerBroker) -> list[dict[str, Any]]:
        found = [
            {key: value for key, value in item.items() if key != "ROWID"}
            for item in which.items_since(-1, 999)
        ]
        return sorted(found, key=lambda item: (item["name"], item["storage_policy_index"]))

    assert rows(broker) == rows(other)
    assert broker.info().hash == other.info().hash
    assert broker.policy_stats() == other.policy_stats()


SIDE_BY_SIDE = """
import sys
from swift.common import utils
utils.HASH_PATH_SUFFIX = b"x"
from swift.container.backend import ContainerBroker
path, count = sys.argv[1], int(sys.argv[2])
for index in range(count):
    with ContainerBroker(path) as broker:
        broker.put_object(f"stock-{index:04}", f"{1700000000 + index}.00000", 1, "a/b", "e", storage_policy_index=1)
        if index % 5 == 0:
            broker.get_info()
        if index % 50 == 0:
            broker.update_metadata({f"X-Container-Meta-S{index}": ("x", f"{1700000000 + index}.00000")})
print("done")
"""


def test_both_write_at_the_same_time(broker: ContainerBroker) -> None:
    """Stock's programs and ours, at work on one database, lose no row of each other's."""
    count = 400
    process = subprocess.Popen(
        [str(stock_venv() / "bin" / "python"), "-c", SIDE_BY_SIDE, broker.path, str(count)],
        stdout=subprocess.PIPE,
    )
    index = 0
    while process.poll() is None or index < count:
        broker.put_object(ObjectRow(f"ours-{index:05}", moment(index), 1, "a/b", "e", 0, 1))
        if index % 7 == 0:
            broker.info()
        if index % 40 == 0:
            broker.merge_metadata({f"X-Container-Meta-O{index}": ("x", moment(index))})
        index += 1
    assert process.returncode == 0
    names = {row[0] for row in broker.listing(Query(limit=100_000), 1) if isinstance(row, tuple)}
    assert {f"stock-{number:04}" for number in range(count)} <= names
    assert {f"ours-{number:05}" for number in range(index)} <= names
    assert len(broker.metadata()) == count // 50 + -(-index // 40)
    broker.verify()
