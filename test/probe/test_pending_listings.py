"""What a listing lacks after a node was killed is what the answers had said it may lack, and it comes."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from clusters import AllInOne, all_in_one
from lagging import announced, home_of, lacking, whereabouts

pytestmark = pytest.mark.slow

WRITERS = 10
SIZES = (300, 100_000)  # One goes to each server in one piece, and to another if that fails; one can't.
LARGE_BYTES = 200_000
LARGE = 16
ROUNDS = 4
LOOKS = 6  # Replicas are read in random order.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster whose nodes are killed."""
    with all_in_one(tmp_path_factory.mktemp("pending")) as ours:
        yield ours


@dataclass
class Acknowledged:
    """Names whose uploads were answered with 201, and those whose answers said X-Listing-Pending."""

    names: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)


def upload_during(cluster: AllInOne, container: str, disaster: Callable[[], None]) -> Acknowledged:
    """Upload with several writers until some time after the disaster."""
    client, done, over = cluster.store.client(), Acknowledged(), threading.Event()

    def write(writer: int) -> None:
        connection = http.client.HTTPConnection(*cluster.store.address, timeout=180)
        turn = 0
        while not over.is_set():
            name, turn = f"writer {writer}/{turn}=é", turn + 1
            body = bytes(SIZES[turn % len(SIZES)])
            connection.request("PUT", client.path(container, name), body, client.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 201:
                done.names.add(name)
                if answer.getheader("X-Listing-Pending") == "true":
                    done.pending.add(name)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    disaster()
    time.sleep(0.5)
    over.set()
    for thread in threads:
        thread.join()
    return done


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_listing_lacks_only_what_was_said(cluster: AllInOne, turn: int) -> None:
    """A node is killed under uploads and started again: no name is missing of which the answer did not say so.

    The proxy's log names the same ones, and what it says of where a row is, is what the disks hold. A pass of
    the updater brings them all.
    """
    node, container, client = f"node{random.randint(1, 4)}", f"round-{turn}", cluster.store.client()
    assert client.put(container).status == 201
    done = upload_during(cluster, container, lambda: cluster.kill(node))
    cluster.start(node)
    assert set(announced(cluster, container)) == done.pending
    for _ in range(LOOKS):
        assert lacking(cluster, container, done.names) <= done.pending
    for name in done.pending:
        told = "\n".join(whereabouts(cluster, container, name))
        assert re.search(r"deleted\) \[\(|pending file \['|has it queued", told), told
    cluster.once("object-updater", "container-replicator")
    for _ in range(LOOKS):
        assert set(client.names_in(container)) == done.names
    with pytest.raises(AssertionError, match=r"'never'.*the proxy said nothing"):
        lacking(cluster, container, done.names | {"never"})


def test_a_large_upload_does_not_lag_because_a_node_is_killed(cluster: AllInOne) -> None:
    """A node with a replica of the container dies in the middle of many uploads: their rows reach both others.

    Half of them have a copy on that node whose object server was to tell another node of the row: the proxy does.
    What may be pending for another reason, a busy machine, is announced.
    """
    container, client = "large", cluster.store.client()
    assert client.put(container).status == 201
    victim = min(home_of(cluster, container).primaries).replace("d", "node")
    names = [f"upload {number}" for number in range(LARGE)]
    uploads = [http.client.HTTPConnection(*cluster.store.address, timeout=180) for _ in names]
    for name, upload in zip(names, uploads, strict=True):
        upload.putrequest("PUT", client.path(container, name))
        for header, value in {**client.headers, "Content-Length": str(LARGE_BYTES)}.items():
            upload.putheader(header, value)
        upload.endheaders(bytes(LARGE_BYTES // 2))
    time.sleep(1.0)
    cluster.kill(victim)
    for upload in uploads:
        upload.send(bytes(LARGE_BYTES // 2))
    answers = [upload.getresponse() for upload in uploads]
    assert {answer.status for answer in answers} == {201}
    assert sum(answer.getheader("X-Listing-Pending") is not None for answer in answers) <= LARGE // 8
    cluster.start(victim)
    for _ in range(LOOKS):
        assert lacking(cluster, container, names) <= announced(cluster, container).keys()
