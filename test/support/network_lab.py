"""A host of its own for the network agent: private network, mount, process and host-name namespaces.

    with lab(folder) as host:  host.become(document)  host.guest(…)  host.ask("a5", "10.0.0.6", 22)

This file is also the program that runs inside: it reads one JSON command a line and answers one. Whatever it started or
made ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECRET = "lab"
PROLOGUE = (
    "mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up"
)
SERVER = """
import socket, sys, threading
name, ports = sys.argv[1], [int(each) for each in sys.argv[2].split(',')]
def serve(listener):
    while True:
        connection, peer = listener.accept()
        connection.sendall(f'{name} sees {peer[0].removeprefix("::ffff:")}'.encode()); connection.close()
listeners = []
for port in ports:
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    listeners.append(listener)
for listener in listeners:
    threading.Thread(target=serve, args=(listener,)).start()
print('ready', flush=True)
"""
CLIENT = """
import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
    print(connection.recv(999).decode())
except OSError as problem:
    print('failed:', problem)
"""
DHCP = """
import os, socket, struct, sys, time
mac = bytes.fromhex(sys.argv[1].replace(':', ''))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
sock.bind(('', 68)); sock.settimeout(1)
transaction = os.urandom(4)
head = struct.pack('!BBBB4sHH4x4x4x4x16s64x128x4s', 1, 1, 6, 0, transaction, 0, 0x8000, mac, b'\\x63\\x82\\x53\\x63')
deadline = time.monotonic() + float(sys.argv[2])
while time.monotonic() < deadline:
    sock.sendto(head + bytes([53, 1, 1, 55, 5, 1, 3, 6, 121, 26, 255]), ('255.255.255.255', 67))
    try:
        answer = sock.recv(2000)
    except TimeoutError:
        continue
    if answer[4:8] != transaction:
        continue
    options, at = {}, 240
    while answer[at] != 255:
        if answer[at]:
            options[answer[at]] = answer[at + 2:at + 2 + answer[at + 1]].hex(); at += 1 + answer[at + 1]
        at += 1
    print(socket.inet_ntoa(answer[16:20]), options); break
else:
    print('none')
"""


def why_not() -> str:
    """Why no such host can be made here, "" where it can."""
    for program in ("ip", "bridge", "nft", "dnsmasq", "unshare", "sysctl"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    done = subprocess.run(
        [
            "unshare",
            "-nmu",
            "sh",
            "-c",
            f"{PROLOGUE} && ip link add br0 type bridge && nft add table bridge t",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"namespaces can't be made: {done.stderr.strip()}" if done.returncode else ""


class Lab:
    """The outside of such a host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process whose namespaces are the host's, as seen from outside."""
        unshared = self._process.pid
        return int(Path(f"/proc/{unshared}/task/{unshared}/children").read_text().split()[0])

    def do(self, what: str, **arguments: Any) -> Any:
        """Have the program inside do something; return what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the lab ended"
        answered = json.loads(line)
        assert "problem" not in answered, answered["problem"]
        return answered["result"]

    def run(self, *words: str) -> str:
        """Run a command on the host."""
        return str(self.do("run", words=words))

    def become(self, document: dict[str, Any], settings: dict[str, Any] | None = None) -> list[list[str]]:
        """Make the host so; return the commands that were needed."""
        steps: list[list[str]] = self.do("become", document=document, settings=settings or {})
        return steps

    def guest(self, name: str, port_id: str, mac: str, address: str = "", gateway: str = "") -> None:
        """Add a guest: a namespace whose eth0 is the port's device."""
        self.run("ip", "netns", "add", name)
        tap = f"tap{port_id[:11]}"
        self.run(
            "ip", "link", "add", tap, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", name
        )
        for device in ("lo", "eth0"):
            self.run("ip", "-n", name, "link", "set", device, "up")
        if address:
            self.run("ip", "-n", name, "address", "add", address, "dev", "eth0")
        if gateway:
            self.run("ip", "-n", name, "route", "add", "default", "via", gateway)

    def serve(self, name: str, *ports: int) -> None:
        """Have the guest say its name, and whom it sees, on TCP ports; "" for the host itself."""
        self.do("serve", name=name, ports=",".join(map(str, ports)))

    def ask(self, name: str, address: str, port: int, patience: float = 10) -> str:
        """What a guest ("" for the host) is told at an address; "failed: …" where it isn't."""
        inside = ["ip", "netns", "exec", name] if name else []
        return self.run(*inside, sys.executable, "-SEc", CLIENT, address, str(port), str(patience)).strip()

    def dhcp(self, name: str, mac: str, patience: float = 20) -> str:
        """What DHCP offers a guest."""
        return self.run("ip", "netns", "exec", name, sys.executable, "-SEc", DHCP, mac, str(patience)).strip()


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A host, for as long as the block lasts."""
    inside = f"{PROLOGUE} && exec {sys.executable} {Path(__file__).resolve()} {folder}"
    # Its own processes end with it: it is the first of their namespace, and ends with its standard input.
    with subprocess.Popen(
        ["unshare", "-nmup", "--fork", "--mount-proc", "--kill-child", "sh", "-c", inside],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
    ) as process:
        try:
            made = Lab(process)
            made.do("folder")  # So that it is there.
            yield made
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def join(one: Lab, two: Lab, prefix: str) -> None:
    """Lay a cable between two hosts: PREFIX.1 and PREFIX.2."""
    ends = ("netns", str(one.pid), "type", "veth", "peer", "name", "eth9", "netns", str(two.pid))
    subprocess.run(["ip", "link", "add", "eth9", *ends], check=True)
    for number, host in enumerate((one, two), 1):
        host.run("ip", "address", "add", f"{prefix}.{number}/24", "dev", "eth9")
        host.run("ip", "link", "set", "eth9", "up")


class _Inside:
    """What runs on the host."""

    def __init__(self, folder: Path) -> None:
        from apus.compute.network.host.execution import Host
        from apus.compute.network.host.metadata import Doors
        from apus.compute.network.host.observation import run

        self._folder = folder
        self._commands: list[list[str]] = []
        self._commands_left = sys.maxsize
        self._run = run
        self._host = Host(folder, self._noted)
        self._doors = Doors("http://127.0.0.1:8775", SECRET)

    def _noted(self, words: tuple[str, ...], text: str = "") -> str:
        """Run one of the agent's commands, and note it; none beyond those that are left before a "kill"."""
        if not self._commands_left:
            raise KeyboardInterrupt
        self._commands_left -= 1
        self._commands.append([*words])
        return self._run(words, text)

    def become(self, document: dict[str, Any], settings: dict[str, Any]) -> list[list[str]]:
        from apus.compute.network.host.dhcp import DhcpSettings
        from apus.compute.network.host.layout import HostSettings, layout
        from apus.compute.network.host.wanted import Wanted

        self._commands = []
        limit = settings.pop("commands", None)
        self._commands_left = sys.maxsize if limit is None else limit
        host = HostSettings(
            tunnel_address=settings.pop("tunnel_address", ""),
            dhcp=DhcpSettings(str(self._folder), user="root"),
            **settings,
        )
        wanted = layout(Wanted.of(document), host)
        try:
            self._doors.close_others(wanted.doors)
            whole = self._host.become(wanted)
            assert not self._doors.open(wanted.doors)
            assert whole, f"not all of it could be done: {self._commands}"
        except KeyboardInterrupt:
            pass
        return self._commands

    def run(self, words: list[str]) -> str:
        return self._run(tuple(words))

    def folder(self) -> str:
        return str(self._folder)

    def serve(self, name: str, ports: str) -> None:
        inside = ["ip", "netns", "exec", name] if name else []
        words = [*inside, sys.executable, "-SEc", SERVER, name or "host", ports]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

    def answer_metadata(self) -> None:
        """Be the server service: say what the metadata proxy said."""
        from apus.common import concurrency
        from apus.common.http.server import HttpServer

        def app(environ: Any, start_response: Any) -> list[bytes]:
            said = {name: value for name, value in environ.items() if name.startswith("HTTP_X_")}
            body = json.dumps({"path": environ["PATH_INFO"], **said}).encode()
            start_response(
                "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            )
            return [body]

        import socket

        concurrency.spawn(HttpServer(app).serve, socket.create_server(("127.0.0.1", 8775)))


def main() -> None:
    """Do what is asked for, line by line."""
    from apus.common.concurrency import patch

    patch()
    inside = _Inside(Path(sys.argv[1]))
    while line := sys.stdin.readline():
        command = json.loads(line)
        try:
            answered = {"result": getattr(inside, command.pop("do"))(**command)}
        except Exception as problem:  # noqa: BLE001 - told to the test
            answered = {"problem": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answered), flush=True)


if __name__ == "__main__":
    main()
