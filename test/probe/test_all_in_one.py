"""apus-aio does what the contract says, to real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import COMMAND, AllInOne, all_in_one, free_port_block
from processes import await_exit, kill_and_wait
from store import Client

pytestmark = pytest.mark.slow
SERVICES = ("identity", "image", "volume", "compute", "network")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster whose processes come and go."""
    with all_in_one(tmp_path_factory.mktemp("all-in-one"), background=True) as ours:
        yield ours


def everybody(cluster: AllInOne) -> set[tuple[str, str | None, int]]:
    return {(each["role"], each["node"], each["pid"]) for each in cluster.status()["processes"]}


def test_up_says_how_to_go_on(cluster: AllInOne) -> None:
    """Endpoint, credentials and four commands, one of them S3's; and that a second time nothing changed."""
    before = everybody(cluster)
    said = cluster.run("up")
    assert "nothing changed" in said
    assert f"{cluster.store.endpoint}/auth/v1.0" in said
    assert "test:tester" in said
    assert "testing" in said
    assert len(said.partition("Try:")[2].strip().splitlines()) == 4
    assert everybody(cluster) == before


def test_the_command_of_the_checkout_is_the_program(cluster: AllInOne) -> None:
    """Tests start the program in a quicker way; what a person types does the same."""
    done = subprocess.run([COMMAND, "status"], env=cluster.environment, capture_output=True, check=True)
    assert done.stdout.decode() == cluster.run("status")


def test_status_is_what_scripts_were_promised(cluster: AllInOne) -> None:
    """Keys, processes and devices; services that do not run are null."""
    facts = cluster.status()
    assert facts["endpoint"] == cluster.store.endpoint
    assert facts["auth_v1"] == f"{cluster.store.endpoint}/auth/v1.0"
    assert facts["s3"] == cluster.store.endpoint
    assert all(facts[service] is None for service in SERVICES)
    roles = {each["role"] for each in facts["processes"] if each["node"] == "node1"}
    assert {"object-server", "container-server", "account-server", "object-replicator"} <= roles
    assert all(Path(f"/proc/{each['pid']}").exists() for each in facts["processes"])
    servers = [each for each in facts["processes"] if each["role"].endswith("-server")]
    assert len({each["port"] for each in servers}) == len(servers) == 13
    assert [each["node"] for each in facts["devices"]] == ["node1", "node2", "node3", "node4"]
    assert all(Path(each["path"]).is_dir() for each in facts["devices"])


def test_processes_can_be_told_apart(cluster: AllInOne) -> None:
    """By ps: each shows its role and its conf."""
    for process in cluster.status()["processes"]:
        command = Path(f"/proc/{process['pid']}/cmdline").read_bytes().split(b"\0")
        assert command[0] == f"apus-{process['role']}".encode()
        assert command[1].endswith(b".conf")


def test_a_killed_node_starts_again(cluster: AllInOne) -> None:
    """The other nodes' processes are untouched, and the store is there all the time."""
    others = {each for each in everybody(cluster) if each[1] != "node2"}
    cluster.kill("node2")
    assert everybody(cluster) == others
    assert cluster.store.client().head().status == 204
    cluster.run("status", codes=(1,))
    cluster.start("node2")
    assert others < everybody(cluster)
    cluster.run("status")


def test_up_starts_what_is_missing(cluster: AllInOne) -> None:
    """One process was killed: one is started, the others stay."""
    before = everybody(cluster)
    (victim,) = cluster.pids("container-server", "node3")
    kill_and_wait(victim)
    cluster.run("up")
    assert {(role, node) for role, node, _ in everybody(cluster)} == {
        (role, node) for role, node, _ in before
    }
    assert len(before - everybody(cluster)) == 1


def test_a_pid_file_of_somebody_else_is_harmless(cluster: AllInOne) -> None:
    """A number that was given to another process since: that one is not killed, ours is started."""
    pid_file = cluster.home / "node1" / "run" / "object-auditor.pid"
    kill_and_wait(cluster.pids("object-auditor", "node1")[0])
    pid_file.write_text(f"{os.getpid()} 1\n")
    cluster.kill("node1")
    cluster.start("node1")
    assert cluster.pids("object-auditor", "node1") != [os.getpid()]


def test_a_wiped_device_is_empty_and_filled_again(cluster: AllInOne) -> None:
    """After one pass of the replicators."""
    client = cluster.store.client()
    with client.container() as container:
        for number in range(30):
            assert client.put(container, f"{number}", body=b"x").status == 201
        device = Path(cluster.status()["devices"][0]["path"])
        assert list(device.glob("objects/*/*/*/*.data"))
        cluster.wipe("node1/d1")
        assert not list(device.glob("objects/*/*/*/*.data"))
        cluster.once("account-replicator", "container-replicator", "object-replicator")
        assert list(device.glob("objects/*/*/*/*.data"))
        assert len(client.names_in(container)) == 30


def test_once_leaves_the_background_running(cluster: AllInOne) -> None:
    """The daemon that ran in the foreground rests in the background meanwhile, and is back afterwards."""
    before = {(role, node) for role, node, _ in everybody(cluster)}
    cluster.once("container-updater", "object-auditor")
    assert {(role, node) for role, node, _ in everybody(cluster)} == before


def test_a_node_joins_and_leaves(cluster: AllInOne) -> None:
    """Everything stays readable, and the node that left held nothing that others do not."""
    client = cluster.store.client()
    with client.container() as container:
        contents = {f"object {number}": os.urandom(1000) for number in range(60)}
        for name, content in contents.items():
            client.put(container, name, body=content)
        cluster.run("add-node")
        assert {each["node"] for each in cluster.status()["devices"]} >= {"node5"}
        readable(client, container, contents)
        cluster.once("account-replicator", "container-replicator", "object-replicator")
        assert list(Path(cluster.status()["devices"][-1]["path"]).glob("objects/*/*/*/*.data"))
        readable(client, container, contents)
        cluster.run("remove-node", "node5")
        assert "node5" not in {each["node"] for each in cluster.status()["devices"]}
        readable(client, container, contents)


def readable(client: Client, container: str, contents: dict[str, bytes]) -> None:
    assert client.names_in(container) == sorted(contents)
    for name, content in contents.items():
        assert client.get(container, name).body == content


@pytest.mark.parametrize(
    "words",
    [
        ["kill", "node99"],
        ["wipe", "node1/d9"],
        ["wipe", "node1"],
        ["once", "object-dreamer"],
        ["dance"],
        ["kill"],
    ],
    ids=" ".join,
)
def test_nonsense_is_refused(cluster: AllInOne, words: list[str]) -> None:
    """Exit code 2, and a sentence."""
    assert cluster.run(*words, codes=(2,)).strip()


def test_another_shape_is_refused(cluster: AllInOne) -> None:
    """A home that was made for one port does not quietly move to another, nor do its daemons fall silent."""
    said = cluster.run("up", codes=(2,), variables={"APUS_PORT": str(cluster.port + 1)})
    assert f"APUS_PORT={cluster.port}" in said
    said = cluster.run("up", codes=(2,), variables={"APUS_DAEMONS": "once"})
    assert "APUS_DAEMONS=background" in said
    said = cluster.run("up", codes=(2,), variables={"APUS_DAEMONS": "never"})
    assert "background or once" in said


def test_daemons_may_run_only_when_told_to(tmp_path: Path) -> None:
    """With APUS_DAEMONS=once nothing but servers runs, which is all there is to run, and `once` does work."""
    with all_in_one(tmp_path / "quiet", nodes=2) as quiet:
        before = everybody(quiet)
        assert {role for role, _, _ in before} == {
            "proxy-server",
            "object-server",
            "container-server",
            "account-server",
        }
        client = quiet.store.client()
        assert client.put("c").status == 201
        assert client.put("c", "o", body=b"x").status == 201
        device = Path(quiet.status()["devices"][0]["path"])
        quiet.wipe("node1/d1")
        quiet.once("object-replicator")
        assert list(device.glob("objects/*/*/*/*.data"))
        quiet.kill("node2")
        quiet.run("up")
        assert {(role, node) for role, node, _ in everybody(quiet)} == {
            (role, node) for role, node, _ in before
        }


def test_a_taken_port_is_named_with_its_owner(tmp_path: Path) -> None:
    """And with what to do about it; nothing is left running."""
    port = free_port_block(60)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port + 11))
        squatter.listen()
        cluster = AllInOne(tmp_path / "cluster", port)
        said = cluster.run("up", codes=(1,), variables={"APUS_NODES": "4"})
    assert f"port {port + 11}" in said
    assert f"pid {os.getpid()}" in said
    assert "APUS_PORT" in said
    cluster.run("status", codes=(3,))


def test_test_credentials_stay_on_loopback(tmp_path: Path) -> None:
    """`up` refuses to open the store to the network with keys that everybody knows, and says what to do."""
    cluster = AllInOne(tmp_path / "cluster", free_port_block(60))
    said = cluster.run("up", codes=(2,), variables={"APUS_BIND": "0.0.0.0"})
    assert "users.conf" in said
    assert not (cluster.home / "cluster.json").exists()


def test_users_of_ones_own_may_listen_anywhere(tmp_path: Path) -> None:
    """With users.conf the proxy listens where it is told to, and the test users are unknown there."""
    cluster = AllInOne(tmp_path / "cluster", free_port_block(30), nodes=1)
    cluster.home.mkdir()
    (cluster.home / "users.conf").write_text("user_shop_anna = s3cret .admin\n")
    try:
        said = cluster.run("up", variables={"APUS_BIND": "0.0.0.0", "APUS_NODES": "1"})
        assert "shop:anna" in said
        refused = Client(cluster.store, "/auth/v1.0").request(
            "GET", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
        )
        assert refused.status == 401
    finally:
        cluster.down()


def test_down_ends_everything_and_up_finds_the_data(tmp_path: Path) -> None:
    """Two clusters run side by side; one goes down and comes up with what it held."""
    with all_in_one(tmp_path / "one", nodes=1) as one, all_in_one(tmp_path / "two", nodes=1) as two:
        one.store.client().put("kept")
        one.store.client().put("kept", "object", body=b"kept")
        pids = [each["pid"] for each in one.status()["processes"]]
        one.down()
        assert not any(Path(f"/proc/{pid}/exe").exists() for pid in pids)
        assert two.store.client().head("kept").status == 404
        said = one.run("status", "--json", codes=(3,))
        assert json.loads(said)["endpoint"] is None
        one.up()
        assert one.store.client().get("kept", "object").body == b"kept"


def test_a_lost_state_file_loses_no_data(tmp_path: Path) -> None:
    """`up` in a home without its cluster.json makes a cluster that finds what the old one stored."""
    with all_in_one(tmp_path / "one", nodes=1) as one:
        one.store.client().put("kept")
        one.store.client().put("kept", "object", body=b"kept")
        one.down()
        (one.home / "cluster.json").unlink()
        one.up()
        assert one.store.client().get("kept", "object").body == b"kept"


def test_stopping_is_quick(tmp_path: Path) -> None:
    """SIGTERM is enough for every process; nobody has to be killed after a timeout."""
    with all_in_one(tmp_path / "one", nodes=1, background=True) as one:
        handles = [os.pidfd_open(each["pid"]) for each in one.status()["processes"]]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        for handle in handles:
            await_exit(handle)
            os.close(handle)
