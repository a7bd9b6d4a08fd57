"""NBD: the parser against anything, the server against a client, QEMU's tools, and a kill."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from block_store import MemoryStore
from hypothesis import given
from hypothesis import strategies as st
from nbd_client import NbdClient, Refusal

from apus.common.errors import Missing, Refused, Unavailable
from apus.compute.block import host as host_module
from apus.compute.block.config import BlockConfig
from apus.compute.block.control import ControlServer, answered, ask
from apus.compute.block.host import HostDisks
from apus.compute.block.nbd import wire
from apus.compute.block.nbd.handshake import Export, Outcome
from apus.compute.block.nbd.handshake import answered as option_answered
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream

BLOCK = 1 << 16
CONFIG = BlockConfig(block_size=BLOCK, block_patience_seconds=0)
SIZE = 20 * BLOCK + 4096
EXPORT = Export("vda", SIZE, is_writable=True)
QEMU_IO, QEMU_IMG = shutil.which("qemu-io"), shutil.which("qemu-img")


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


class Host:
    """A host with one disk attached."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.project = Project.open(self.store, "p1", CONFIG)
        write_stream(self.project.maps, [noise(SIZE)], map_id="base")
        self.folder = folder
        self.disks = HostDisks(self.store, folder, CONFIG)
        self.status = self.disks.attach("vda", "p1", "base")
        self.socket = str(self.status["socket"])

    def kept(self, map_id: str) -> bytes:
        maps = Project.open(self.store, "p1", CONFIG).maps
        return b"".join(read_range(maps, maps.load(map_id)))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "h")
    yield made
    made.disks.stop()


@given(st.binary(min_size=28, max_size=28))
def test_any_request_is_parsed_or_refused(data: bytes) -> None:
    """28 bytes are a request, or the connection is broken; nothing else happens."""
    try:
        found = wire.request(data)
    except wire.Broken:
        return
    assert data[:4] == b"\x25\x60\x95\x13"
    assert found.payload_length <= wire.REQUEST_LENGTH_MAX


@given(st.integers(0, 1 << 32), st.binary(max_size=100))
def test_any_option_is_answered(kind: int, data: bytes) -> None:
    """Every option gets one reply that ends with an answer to it, or is an old request for an unknown export."""
    try:
        step = option_answered(kind % (1 << 32), data, EXPORT, padding=True)
    except wire.Broken:
        assert kind == wire.OptionKind.EXPORT_NAME
        return
    if kind != wire.OptionKind.EXPORT_NAME:
        assert step.reply.startswith(struct.pack(">Q", wire.OPTION_REPLY_MAGIC))
    assert step.outcome is not Outcome.GO or kind in (wire.OptionKind.EXPORT_NAME, wire.OptionKind.GO)


@given(st.text(max_size=20), st.lists(st.integers(0, 65535), max_size=5), st.binary(max_size=3))
def test_a_wanted_export_is_read_as_written(name: str, kinds: list[int], rest: bytes) -> None:
    """Name and kinds come back; one byte too many or too few is refused."""
    encoded = name.encode()
    data = struct.pack(f">I{len(encoded)}sH{len(kinds)}H", len(encoded), encoded, len(kinds), *kinds)
    assert wire.wanted_export(data) == (name, kinds)
    for wrong in (data[:-1], data + rest):
        if wrong != data:
            with pytest.raises(ValueError):
                wire.wanted_export(wrong)


def test_the_bytes_of_the_protocol() -> None:
    """Golden bytes of greeting, replies and information."""
    assert wire.greeting() == b"NBDMAGICIHAVEOPT\x00\x03"
    assert wire.simple_reply(0x0102, wire.Errno.IO) == bytes.fromhex("67446698 00000005 0000000000000102")
    assert wire.option_reply(7, wire.Answer.UNKNOWN) == bytes.fromhex(
        "0003e889045565a9 00000007 80000006 00000000"
    )
    assert wire.export_info(4096, EXPORT.flags) == bytes.fromhex("0000 0000000000001000 016d")
    assert wire.block_size_info() == bytes.fromhex("0003 00000001 00001000 02000000")
    assert len(wire.old_export(1, EXPORT.flags, padding=True)) == 134


def test_requests_of_every_kind(host: Host) -> None:
    """Read, write, FUA, flush, trim, zeros: the disk is as an array of bytes, and the commit has it all."""
    data = bytearray(noise(SIZE))
    with NbdClient(host.socket, "vda") as client:
        assert client.size == SIZE
        assert client.read(0, SIZE) == data
        for number, (at, length) in enumerate(
            [(0, 1), (BLOCK - 1, 2), (3 * BLOCK, 2 * BLOCK), (SIZE - 5, 5)]
        ):
            client.write(at, noise(length, number), flags=number % 2)
            data[at : at + length] = noise(length, number)
        client.zero(7 * BLOCK + 3, 2 * BLOCK)
        data[7 * BLOCK + 3 : 9 * BLOCK + 3] = bytes(2 * BLOCK)
        client.trim(12 * BLOCK, BLOCK)
        data[12 * BLOCK : 13 * BLOCK] = bytes(BLOCK)
        client.flush()
        assert client.read(0, SIZE) == data
        client.close()
    done = ask_here(host, do="commit", disk="vda", map_id="c")
    assert (done["map_id"], done["base_map_id"]) == ("c", "base")
    assert host.kept("c") == data


def ask_here(host: Host, **what: object) -> dict[str, object]:
    control = ControlServer(host.disks, host.folder / "control")
    control.start()
    try:
        return ask(host.folder / "control", **what)
    finally:
        control.stop()


def test_requests_out_of_bounds_are_refused(host: Host) -> None:
    """Each with its error, and the connection goes on."""
    with NbdClient(host.socket) as client:
        for kind, at, length, data, expected in (
            (0, SIZE, 1, b"", 22),
            (0, 0, 0, b"", 22),
            (1, SIZE - 1, 2, b"xx", 28),
            (4, SIZE - 1, 2, b"", 28),
            (9, 0, 1, b"", 22),
            (3, 1, 0, b"", 22),
        ):
            with pytest.raises(Refusal) as refused:
                client.ask(kind, at, length, data)
            assert refused.value.number == expected, kind
        assert client.read(0, 10) == noise(SIZE)[:10]


def test_a_read_only_disk_is_not_changed(host: Host) -> None:
    """It says so in its flags, and refuses with EPERM."""
    socket_path = host.disks.attach("ro", "p1", "base", is_writable=False)["socket"]
    with NbdClient(str(socket_path)) as client:
        assert client.flags & wire.Transmission.READ_ONLY
        for kind in (1, 4, 6):
            with pytest.raises(Refusal) as refused:
                client.ask(kind, 0, 1, b"x" if kind == 1 else b"")
            assert refused.value.number == 1
        assert client.read(5, 5) == noise(SIZE)[5:10]


def test_connections_see_each_others_writes(host: Host) -> None:
    """Many at a time, each on its own blocks and all on one; what one was told is written, another reads."""
    failures: list[object] = []

    def work(number: int) -> None:
        try:
            with NbdClient(host.socket) as client:
                for turn in range(5):
                    client.write(number * BLOCK, noise(BLOCK, 100 * number + turn))
                    with NbdClient(host.socket) as other:
                        if other.read(number * BLOCK, BLOCK) != noise(BLOCK, 100 * number + turn):
                            failures.append((number, turn))
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures


def test_what_is_no_nbd_ends_that_connection_only(host: Host) -> None:
    """Garbage at any place of the conversation; the next client is served."""
    rng = random.Random(5)
    for prefix in (b"", b"\0\0\0\3", b"\0\0\0\3IHAVEOPT" + struct.pack(">II", 7, 6) + bytes(6)):
        for _ in range(4):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.settimeout(60)
                raw.connect(host.socket)
                try:
                    raw.sendall(prefix + rng.randbytes(200))
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(4096):
                        pass
                except OSError:
                    continue
    with NbdClient(host.socket) as client:
        assert client.read(0, 4) == noise(SIZE)[:4]


def test_the_store_being_down_is_an_error_of_that_request(host: Host) -> None:
    """EIO for what must be fetched, service for what is here."""
    with NbdClient(host.socket) as client:
        client.read(0, 1)
        host.store.failures["read"] = [Unavailable("down")] * 50
        with pytest.raises(Refusal) as refused:
            client.read(10 * BLOCK, 10)
        assert refused.value.number == 5
        assert client.read(0, 4) == noise(SIZE)[:4]
        host.store.failures.clear()
        assert client.read(10 * BLOCK, 4) == noise(SIZE)[10 * BLOCK : 10 * BLOCK + 4]


def test_disks_are_attached_and_detached_by_the_door(host: Host) -> None:
    """Attach twice is once; changes hold a detach; errors come back as what they were."""
    assert ask_here(host, do="attach", disk="vda", project_id="p1", map_id="base") == host.status
    with pytest.raises(Missing):
        ask_here(host, do="attach", disk="vdb", project_id="p1", map_id="none")
    with pytest.raises(Refused):
        ask_here(host, do="attach", disk="vda", project_id="p2", map_id="base")
    with NbdClient(host.socket) as client:
        client.write(0, b"changed")
    with pytest.raises(Refused):
        ask_here(host, do="detach", disk="vda")
    with NbdClient(host.socket) as client:
        assert client.read(0, 7) == b"changed"
    assert ask_here(host, do="resize", disk="vda", size=SIZE + 10)["size"] == SIZE + 10
    with NbdClient(host.socket) as client:
        assert client.size == SIZE + 10
    assert ask_here(host, do="status", disk="vda")["changed_blocks"] == 1
    ask_here(host, do="commit", disk="vda")
    ask_here(host, do="detach", disk="vda")
    ask_here(host, do="detach", disk="vda")
    assert ask_here(host, do="list") == {"disks": [], "broken": {}}
    assert not list((host.folder / "disks").iterdir())


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"do":"attach"}', b'{"do":"resize","disk":"a","size":"1"}']
)
def test_what_is_no_request_is_answered(host: Host, line: bytes) -> None:
    """An error of its own kind, never silence."""
    assert b'"error"' in answered(host.disks, line)


def test_another_start_serves_what_was_attached(host: Host) -> None:
    """The same socket, the same bytes, changes included."""
    with NbdClient(host.socket) as client:
        client.write(5, b"kept")
    host.disks.stop()
    host.disks = HostDisks(host.store, host.folder, CONFIG)
    host.disks.start()
    with NbdClient(host.socket) as client:
        assert client.read(5, 4) == b"kept"


def test_a_disk_whose_store_was_down_at_the_start_is_served_later(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed as broken, keeps its changes, and comes back by itself."""
    monkeypatch.setattr(host_module, "RETRY_SECONDS", 0.05)
    with NbdClient(host.socket) as client:
        client.write(5, b"kept")
    host.disks.stop()
    host.store.failures["read"] = [Unavailable("down")] * 3
    host.disks = HostDisks(host.store, host.folder, CONFIG)
    host.disks.start()
    assert "vda" in host.disks.all()["broken"]
    deadline = time.monotonic() + 60
    while host.disks.all()["broken"] and time.monotonic() < deadline:
        time.sleep(0.02)
    with NbdClient(host.socket) as client:
        assert client.read(5, 4) == b"kept"


def test_a_state_folder_has_one_server(host: Host) -> None:
    """A second one is refused while the first lives."""
    host.disks.stop()
    host.disks = HostDisks(host.store, host.folder, CONFIG)
    host.disks.start()
    with pytest.raises(Refused):
        HostDisks(host.store, host.folder, CONFIG).start()


def test_a_disk_is_not_detached_from_under_its_commit(host: Host) -> None:
    """The detach waits for the commit, which has all changes; closing amid a commit fails it and keeps them."""
    with NbdClient(host.socket) as client:
        client.write(0, b"changed")
    begun, go_on = threading.Event(), threading.Event()

    def on_step(method: str, what: str) -> None:
        if method == "put" and what.startswith("p1-maps/roots/"):
            begun.set()
            assert go_on.wait(60)

    host.store.on_step = on_step
    commit = threading.Thread(target=host.disks.commit, args=("vda", "c"))
    detach = threading.Thread(target=host.disks.detach, args=("vda",))
    commit.start()
    assert begun.wait(60)
    detach.start()
    assert host.disks.status("vda")["changed_blocks"] == 1
    go_on.set()
    commit.join(60)
    detach.join(60)
    assert host.kept("c")[:7] == b"changed"
    assert host.disks.all()["disks"] == []


@pytest.mark.skipif(not QEMU_IO, reason="qemu-utils is not installed")
def test_qemus_tools_read_and_write_it(host: Host, tmp_path: Path) -> None:
    """qemu-io patterns are found again; qemu-img converts the whole disk to what is in the map."""
    assert QEMU_IO
    assert QEMU_IMG
    uri = f"nbd+unix:///vda?socket={host.socket}"
    commands = ("write -P 7 65530 20", "read -P 7 65530 20", "write -z 131072 65536", "discard 262144 65536",
                "write -f -P 9 0 4096", "flush", "read -P 9 0 4096", "read -P 0 131072 65536")  # fmt: skip
    arguments = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [QEMU_IO, "-f", "raw", *arguments, uri], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Pattern verification failed" not in done.stdout
    raw = tmp_path / "raw"
    subprocess.run([QEMU_IMG, "convert", "-f", "raw", "-O", "raw", uri, str(raw)], check=True, timeout=120)
    host.disks.commit("vda", "c")
    assert raw.read_bytes() == host.kept("c")


SERVER = """
import pickle, signal, sys
from pathlib import Path
from block_store import MemoryStore
from apus.compute.block.config import BlockConfig
from apus.compute.block.host import HostDisks
store = MemoryStore()
store.objects = pickle.load(open(sys.argv[1], "rb"))
disks = HostDisks(store, Path(sys.argv[2]), BlockConfig(block_size=65536))
disks.start()
print("ready", flush=True)
signal.pause()
"""


def test_a_killed_server_has_lost_nothing_that_it_acknowledged(host: Host, tmp_path: Path) -> None:
    """SIGKILL amid writes: the next process reads every write that was answered."""
    import pickle

    host.disks.stop()
    dump = tmp_path / "store"
    dump.write_bytes(pickle.dumps(host.store.objects))
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'test' / 'support'}:{root / '.dev'}"}
    command = [sys.executable, "-c", SERVER, str(dump), str(host.folder)]
    expected = bytearray(noise(SIZE))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout
        assert server.stdout.readline() == b"ready\n"
        rng = random.Random(9)
        with NbdClient(host.socket) as client:
            for number in range(60):
                at = rng.randrange(SIZE - 100)
                client.write(at, bytes([number]) * 100)
                expected[at : at + 100] = bytes([number]) * 100
        os.kill(server.pid, signal.SIGKILL)
        server.wait(60)
    host.disks = HostDisks(host.store, host.folder, CONFIG)
    host.disks.start()
    with NbdClient(host.socket) as client:
        assert client.read(0, SIZE) == expected
    host.disks.commit("vda", "c")
    assert host.kept("c") == expected


def test_a_client_that_goes_amid_an_answer_harms_nobody(host: Host) -> None:
    """It asks for much and closes; its thread ends, the others are served."""
    for _ in range(5):
        client = NbdClient(host.socket)
        for at in range(10):
            client.send(0, at * BLOCK, BLOCK)
        client.socket.close()
    deadline = time.monotonic() + 60
    while host.disks.status("vda")["connections"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert host.disks.status("vda")["connections"] == 0
    with NbdClient(host.socket) as client:
        assert client.read(0, 4) == noise(SIZE)[:4]


def test_a_defect_ends_the_connection_not_the_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw while a block was fetched: the client hears of it at once; the next one is served."""

    def fail(*_: object) -> None:
        raise ValueError("a defect")

    server = host.disks._servers["vda"]
    with monkeypatch.context() as patch, NbdClient(host.socket) as client:
        patch.setattr(server.disk, "ensure", fail)
        with pytest.raises((OSError, EOFError)):
            client.read(0, 4096)
    with NbdClient(host.socket) as client:
        assert client.read(0, 4096) == noise(SIZE)[:4096]


def test_a_client_that_could_not_be_let_in_shuts_out_nobody(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files for a moment: once there is room for one again, clients are served."""
    server = host.disks._servers["vda"]
    refused = threading.Event()

    class Full:
        def __init__(self, listener: socket.socket) -> None:
            self._listener = listener

        def accept(self) -> tuple[socket.socket, object]:
            if not refused.is_set():
                refused.set()
                raise OSError(errno.EMFILE, "Too many open files")
            return self._listener.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self._listener, name)

    monkeypatch.setattr(server, "_listener", Full(server._listener))
    for _ in range(2):  # The first one may still meet the call that was waiting.
        with NbdClient(host.socket) as client:
            assert client.read(0, 4096) == noise(SIZE)[:4096]
    assert refused.is_set()
