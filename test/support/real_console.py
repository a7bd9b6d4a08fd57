"""What a real guest's consoles must do: a person logs in, the log loses nothing, the screen speaks RFB.

try_consoles(cloud, driver, server_id, pages) ──▶ a shell's answer over the serial console, RFB's banner, counts
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from console_front import DEADLINE_SECONDS, ConsoleFront, heard
from servers import SECRET, Cloud
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from apus.compute.server.agent.console import ConsoleDoor
from apus.compute.server.agent.driver import Driver
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.keys import host_key

BINARY = [Subprotocol("binary")]


def try_consoles(cloud: Cloud, driver: Driver, server_id: str, pages: Path) -> None:
    """Use the consoles of a guest of `host-a` that has started, through a door of its host."""
    config = AgentConfig(host="host-a", key=host_key(SECRET, "host-a"), console_port=0)
    door = ConsoleDoor(config, driver, clock=lambda: cloud.now)
    door.start()
    cloud.live("host-a", console_url=door.url)
    try:
        _use(cloud, server_id, pages)
    finally:
        door.stop()


def _use(cloud: Cloud, server_id: str, pages: Path) -> None:
    with ConsoleFront(cloud, pages) as front:
        with connect(front.at(_url(cloud, server_id, "serial", "serial")), subprotocols=BINARY) as client:
            _talk(client)
        vnc = front.at(_url(cloud, server_id, "vnc", "novnc"))
        path = parse_qs(urlsplit(vnc).query)["path"][0]
        with connect(f"ws://{urlsplit(vnc).netloc}/{path}", subprotocols=BINARY) as client:
            _shake_hands(client)
    status, document = cloud.act(server_id, "os-getConsoleOutput", {})
    assert status == 200
    printed = document["output"]
    assert printed.index("APUS-GUEST READY") < printed.index("sum 42"), "the log goes on while somebody reads"
    status, counts = cloud.ask("GET", f"/servers/{server_id}/diagnostics", token=cloud.admin, version="2.48")
    assert status == 200, counts
    assert counts["num_cpus"] == 1
    assert counts["cpu_details"][0]["time"] > 0
    assert counts["disk_details"][0]["read_bytes"] > 0


def _url(cloud: Cloud, server_id: str, protocol: str, kind: str) -> str:
    asked = {"remote_console": {"protocol": protocol, "type": kind}}
    status, document = cloud.ask("POST", f"/servers/{server_id}/remote-consoles", asked, version="2.96")
    assert status == 200, document
    return str(document["remote_console"]["url"])


def _talk(client: ClientConnection) -> None:
    """Have the guest's shell reckon; what is typed and what it answers differ, so the echo is not taken for it."""
    client.send(b"\n")
    heard(client, b"#")
    client.send(b"echo sum $((6 * 7))\n")
    heard(client, b"sum 42")


def _shake_hands(client: ClientConnection) -> None:
    """Go through RFB 3.8 up to the name of the screen."""
    assert heard(client, b"\n") == b"RFB 003.008\n"
    client.send(b"RFB 003.008\n")
    kinds = _at_least(client, 2)
    assert kinds == b"\x01\x01", "one kind of security: none"
    client.send(b"\x01")
    assert _at_least(client, 4) == bytes(4)
    client.send(b"\x01")
    head = _at_least(client, 24)
    width, height = struct.unpack(">HH", head[:4])
    assert width > 0
    assert height > 0


def _at_least(client: ClientConnection, least: int) -> bytes:
    text = b""
    while len(text) < least:
        piece: Any = client.recv(timeout=DEADLINE_SECONDS)
        text += piece
    return text
