"""Filters that are not in the default pipeline, each in a further front of the shared store."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from clusters import AllInOne, free_port_block
from fronts import Filters, front, with_filters
from store import Client, Store, ask

Open = Callable[..., Store]


@pytest.fixture(scope="module")
def store(shared_cluster: AllInOne) -> Store:
    """The store that the fronts belong to, whichever one the other tests are aimed at."""
    return shared_cluster.store


@pytest.fixture(scope="module")
def opened(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens further fronts, which are closed when all tests here are through."""
    folder = tmp_path_factory.mktemp("fronts")
    conf = (shared_cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    with ExitStack() as stack:

        def open_one(filters: Filters, *, before: str = "tempauth") -> Store:
            port = free_port_block(1)
            made = with_filters(conf, filters, before=before, port=port)
            return stack.enter_context(front(made, folder, port=port))

        yield open_one


@pytest.fixture(scope="module")
def named(opened: Open) -> Store:
    """A front that knows accounts and containers by host names, and rules for names."""
    return opened(
        {
            "name_check": {"maximum_length": "100"},
            "crossdomain": {},
            "list_endpoints": {},
            "domain_remap": {"storage_domain": "store.example"},
        },
        before="etag_quoter",
    )


def at(store: Store, client: Client) -> Client:
    """The same account at another front."""
    return Client(store, client.account_path, client.headers)


def test_a_store_that_may_only_be_read(opened: Open, client: Client, container: str) -> None:
    """405 for every change, by anybody."""
    client.put(container, "o", body=b"x")
    reader = at(opened({"read_only": {"read_only": "true"}}, before="proxy-server"), client)
    assert reader.get(container, "o").body == b"x"
    assert reader.put(container, "p").status == 405
    assert reader.post(container, "o").status == 405
    assert reader.delete(container, "o").text == "Writes are disabled for this account."
    assert reader.request("COPY", container, "o", headers={"Destination": f"{container}/p"}).status == 405


def test_changes_wait_for_their_turn_or_are_refused(opened: Open, client: Client, container: str) -> None:
    """Two changes a second in a container with objects; who would wait more than a second gets 498."""
    limits = {"container_ratelimit_1": "2", "max_sleep_time_seconds": "1", "rate_buffer_seconds": "0"}
    client.put(container, "o", body=b"x")
    limited = at(opened({"ratelimit": limits}), client)
    began = time.monotonic()
    statuses = [limited.put(container, "o", body=b"x").status for _ in range(3)]
    assert statuses == [201, 201, 201]
    assert time.monotonic() - began > 0.7
    assert limited.get(container, "o").status == 200


def test_hosts_name_accounts_and_containers(named: Store, client: Client, container: str) -> None:
    """Also for an object whose name begins with a slash."""
    host = f"{container}.{client.account.replace('_', '-', 1)}.store.example"
    by_host = {**client.headers, "Host": host}
    assert ask(named.address, "PUT", "//o", by_host, b"slashed").status == 201
    assert client.get(container, "/o").body == b"slashed"
    assert ask(named.address, "GET", "/", by_host).body == b"/o\n"
    assert ask(named.address, "GET", "/", {"Host": f"a.{host}"}).status == 400


def test_names_are_checked(named: Store, client: Client, container: str) -> None:
    """By characters, length and pattern."""
    checked = at(named, client)
    for name in ("a<b", "o" * 100, "x/../y"):
        assert checked.put(container, name).status == 400
    assert checked.put(container, "fine").status == 201


def test_endpoints_are_told(named: Store, client: Client, container: str) -> None:
    """They answer there."""
    client.put(container, "o", body=b"x")
    found = ask(named.address, "GET", f"/endpoints/{client.account}/{container}/o", {}).json()
    assert len(found) == 3
    second = json.loads(ask(named.address, "GET", f"/endpoints/v2/{client.account}/{container}/o", {}).body)
    assert second["endpoints"] == found
    address, _, path = found[0].removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    assert ask((host, int(port)), "GET", f"/{path}", second["headers"]).body == b"x"


def test_the_policy_for_plugins_is_served(named: Store) -> None:
    """Without a token."""
    assert b"allow-access-from" in ask(named.address, "GET", "/crossdomain.xml", {}).body


def test_host_names_are_followed_through_the_dns(opened: Open, client: Client, container: str) -> None:
    """A name of the client's own leads to a container; one that leads nowhere is refused."""
    client.put(container, "o", body=b"found")
    aliases = {"files.acme.example.": f"{container}.{client.account}.store.example."}
    with name_server(aliases) as address:
        domain = {"storage_domain": "store.example"}
        store = opened(
            {"cname_lookup": {**domain, "nameservers": address}, "domain_remap": domain}, before="etag_quoter"
        )
        reply = ask(store.address, "GET", "/o", {**client.headers, "Host": "files.acme.example"})
        assert (reply.status, reply.body) == (200, b"found")
        refused = ask(store.address, "GET", "/o", {"Host": "away.acme.example"})
        assert (refused.status, refused.text) == (400, "CNAME lookup failed to resolve to a valid domain")


@contextmanager
def name_server(aliases: Mapping[str, str]) -> Iterator[str]:
    """A name server that knows these aliases; any other name does not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    data, client = listener.recvfrom(4096)
                except TimeoutError:
                    continue
                query = dns.message.from_wire(data)
                reply = dns.message.make_response(query)
                name = query.question[0].name
                target = aliases.get(name.to_text())
                if target is None:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                else:
                    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
                listener.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_trap_34_workers_do_not_let_uploads_overstep_together(
    shared_cluster: AllInOne, tmp_path: Path, client: Client, container: str
) -> None:
    """Three workers, twelve uploads at once, room for four: they know of each other."""
    limits = {"X-Container-Meta-Quota-Bytes": "40000"}
    assert client.post(container, headers=limits).status == 204
    port = free_port_block(1)
    conf = (shared_cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    made = with_filters(conf, {}, before="tempauth", port=port)
    with front(made.replace("workers = 0", "workers = 3"), tmp_path, port=port) as store:
        there = at(store, client)
        with ThreadPoolExecutor(12) as pool:
            put = [pool.submit(there.put, container, f"o{n}", body=bytes(10_000)) for n in range(12)]
            statuses = sorted(each.result().status for each in put)
    assert statuses == [201] * 4 + [413] * 8


def test_a_storage_server_limits_what_a_device_does(shared_cluster: AllInOne, tmp_path: Path) -> None:
    """529 above the limit; the limits of the file are taken while it runs."""
    port = free_port_block(1)
    limits = tmp_path / "limits.conf"
    options = {
        "put_requests_per_device_per_second": "0.001",
        "requests_per_device_rate_buffer": "0",
        "backend_ratelimit_conf_path": str(limits),
        "config_reload_interval": "0.2",
    }
    conf = (shared_cluster.home / "node1" / "etc" / "object-server.conf").read_text()
    made = with_filters(conf, {"backend_ratelimit": options}, before="object-server", port=port)
    with front(made, tmp_path, port=port, kind="object") as server:

        def ask_for(method: str) -> int:
            return ask(server.address, method, "/d1/0/a/c/o", {"Content-Length": "0"}).status

        assert [ask_for("PUT") for _ in range(3)] == [400, 529, 529]
        assert [ask_for("GET") for _ in range(3)] == [404] * 3
        limits.write_text("[backend_ratelimit]\nput_requests_per_device_per_second = 0\n")
        time.sleep(0.3)
        assert [ask_for("PUT") for _ in range(3)] == [400] * 3


def test_the_operator_reads_more_at_info(client: Client) -> None:
    """/info names policies and limits; without an admin_key, a signature opens nothing."""
    info = ask(client.store.address, "GET", "/info", {}).json()
    assert any(policy.get("default") for policy in info["swift"]["policies"])
    assert info["swift"]["max_file_size"] > 0
    query = "?swiftinfo_sig=x&swiftinfo_expires=99999999999"
    assert ask(client.store.address, "GET", f"/info{query}", {}).status == 403
