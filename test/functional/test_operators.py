"""What operators see of a running store: a name for each request, a line in the log, how each node is."""

from __future__ import annotations

import http.client
import json
import time

import pytest
from clusters import AllInOne
from store import Client

RECON = {
    "account": ("auditor/account", "replication/account"),
    "container": ("auditor/container", "replication/container", "updater/container", "sharding"),
    "object": (
        "async",
        "auditor/object",
        "driveaudit",
        "expirer/object",
        "quarantined",
        "reconstruction/object",
        "relinker",
        "replication/object",
        "updater/object",
    ),
}
EVERYWHERE = (
    "devices",
    "diskusage",
    "load",
    "mem",
    "mounted",
    "ringmd5",
    "sockstat",
    "swiftconfmd5",
    "time",
    "unmounted",
    "version",
)
LINE_TIMEOUT_SECONDS = 120


@pytest.fixture
def client(shared_cluster: AllInOne) -> Client:
    """A client of the shared cluster, whose logs lie at hand."""
    return shared_cluster.store.client()


@pytest.mark.parametrize("kind", sorted(RECON))
def test_each_node_tells_how_it_is(shared_cluster: AllInOne, kind: str) -> None:
    """Under stock's paths, in JSON; what no daemon has told yet is null."""
    ports = [
        each["port"]
        for each in shared_cluster.status()["processes"]
        if each["role"] == f"{kind}-server" and each["port"]
    ]
    assert len(ports) == 4
    for path in (*EVERYWHERE, *RECON[kind]):
        connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=180)
        connection.request("GET", f"/recon/{path}")
        answer = connection.getresponse()
        assert (path, answer.status) == (path, 200)
        assert answer.getheader("Content-Type", "").startswith("application/json")
        json.loads(answer.read())
        connection.close()


def test_a_request_may_be_given_a_name(client: Client) -> None:
    """Behind the transaction's own, cut to 32 characters, under both headers."""
    reply = client.head("", headers={"X-Trans-Id-Extra": "backup of monday and all that follows"})
    assert reply.headers["x-trans-id"].endswith("-backup%20of%20monday%20and%20all%20that%20fo")
    assert reply.headers["x-openstack-request-id"] == reply.headers["x-trans-id"]


def test_a_request_is_one_line_and_betrays_no_token(shared_cluster: AllInOne, client: Client) -> None:
    """With its transaction's name, method, path and status."""
    reply = client.get("no-such-container")
    name, token = reply.headers["x-trans-id"], client.headers["X-Auth-Token"]
    deadline = time.monotonic() + LINE_TIMEOUT_SECONDS
    lines: list[str] = []
    while not lines and time.monotonic() < deadline:
        text = "".join(
            path.read_text(errors="replace") for path in shared_cluster.home.glob("proxy/**/*.log")
        )
        lines = [line for line in text.splitlines() if name in line and "no-such-container" in line]
        assert token not in text
        time.sleep(0.05)
    (line,) = lines
    assert " method=GET " in line
    assert " status_int=404 " in line
