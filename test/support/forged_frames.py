"""Ethernet frames as a guest may make them who is somebody else's guest: sent as they are, and seen where they arrive.

frames(MAC, ADDRESS, …) ──▶ (label, frame) …    arrived(host, "a6", ["a5", "b5"], frames) ──▶ labels by receiver

This file is also the program that does it, in a host's namespaces. Frames carry their labels where nothing on the
way cuts them off: inside of what the headers count.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

PATIENCE_SECONDS = 30.0
BROADCAST = b"\xff" * 6
ALL_PROTOCOLS = 3
HONEST = ("own IPv6", "own address", "own ARP")
"""What is let through; the last one tells that all have passed."""
OTHER_TYPES = {"LLDP": 0x88CC, "RARP": 0x8035, "PPPoE": 0x8864, "a local experiment": 0x88B5}


def frames(mac: str, address: str, *, other_mac: str, other_address: str) -> list[tuple[str, bytes]]:
    """What a guest with that MAC and address can't send, and at the end what it can."""
    mine, other = bytes.fromhex(mac.replace(":", "")), bytes.fromhex(other_mac.replace(":", ""))
    my_ip, other_ip = socket.inet_aton(address), socket.inet_aton(other_address)
    syn, offer, reply = _ports(1, 80) + bytes(16), _ports(67, 68), _ports(547, 546)
    nobody = socket.inet_aton("192.0.2.9")
    makers: dict[str, Callable[[bytes], bytes]] = {
        "ARP for another's address": lambda mark: _ethernet(mine, 0x0806, _arp(mine, other_ip) + mark),
        "ARP with another's MAC": lambda mark: _ethernet(mine, 0x0806, _arp(other, my_ip) + mark),
        "another's MAC": lambda mark: _ethernet(other, 0x0806, _arp(mine, my_ip) + mark),
        "another's address": lambda mark: _ethernet(mine, 0x0800, _ip(other_ip, 6, syn + mark)),
        "nobody's address": lambda mark: _ethernet(mine, 0x0800, _ip(nobody, 6, syn + mark)),
        "a DHCP server's offer": lambda mark: _ethernet(mine, 0x0800, _ip(my_ip, 17, offer + mark)),
        "tagged": lambda mark: _tagged(_ethernet(mine, 0x0800, _ip(other_ip, 6, syn + mark))),
        "tagged ARP": lambda mark: _tagged(_ethernet(mine, 0x0806, _arp(mine, other_ip) + mark)),
        "a router": lambda mark: _ethernet(mine, 0x86DD, _icmp6(mine, 134, bytes(12) + mark)),
        "another's IPv6": lambda mark: _ethernet(mine, 0x86DD, _neighbour(other, other, mark)),
        "a neighbour's IPv6": lambda mark: _ethernet(mine, 0x86DD, _neighbour(mine, other, mark)),
        "a DHCPv6 server": lambda mark: _ethernet(mine, 0x86DD, _ip6(mine, 17, reply + mark)),
        **{name: partial(_ethernet, mine, number) for name, number in OTHER_TYPES.items()},
        HONEST[0]: lambda mark: _ethernet(mine, 0x86DD, _neighbour(mine, mine, mark)),
        HONEST[1]: lambda mark: _ethernet(mine, 0x0800, _ip(my_ip, 6, syn + mark)),
        HONEST[2]: lambda mark: _ethernet(mine, 0x0806, _arp(mine, my_ip) + mark),
    }
    return [(label, make(f"<{label}>".encode())) for label, make in makers.items()]


def arrived(
    host: Any, sender: str, receivers: list[str], sent: list[tuple[str, bytes]]
) -> dict[str, list[str]]:
    """Send the frames from one guest; return the labels of those that each other guest was sent."""
    text = json.dumps([(label, frame.hex()) for label, frame in sent])
    said = host.run(
        sys.executable, "-SEc", PROGRAM, os.path.abspath(__file__), sender, ",".join(receivers), text
    )
    found: dict[str, list[str]] = json.loads(said)
    return found


PROGRAM = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


def _ethernet(source: bytes, kind: int, payload: bytes) -> bytes:
    return BROADCAST + source + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def _tagged(frame: bytes) -> bytes:
    return frame[:12] + struct.pack("!HH", 0x8100, 7) + frame[12:]


def _arp(mac: bytes, address: bytes) -> bytes:
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + address + BROADCAST + address


def _ip(source: bytes, protocol: int, payload: bytes) -> bytes:
    words = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    head = words + source + socket.inet_aton("10.0.0.5")
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:] + payload


def _ports(source: int, target: int) -> bytes:
    return struct.pack("!HHHH", source, target, 8, 0)


def _local(mac: bytes) -> bytes:
    return bytes.fromhex("fe80000000000000") + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]


def _ip6(mac: bytes, protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255)
    return head + _local(mac) + socket.inet_pton(socket.AF_INET6, "ff02::1") + payload


def _icmp6(mac: bytes, kind: int, body: bytes) -> bytes:
    return _ip6(mac, 58, struct.pack("!BBH", kind, 0, 0) + body)


def _neighbour(mac: bytes, target: bytes, mark: bytes) -> bytes:
    """An advertisement of the target's link-local address."""
    return _icmp6(mac, 136, bytes(4) + _local(target) + mark)


def _raw(namespace: str) -> socket.socket:
    """Open a raw socket on a guest's eth0."""
    with open(f"/run/netns/{namespace}", "rb") as handle:
        failed = ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0)
        assert not failed, os.strerror(ctypes.get_errno())
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    opened.bind(("eth0", 0))
    return opened


def main(sender: str, receivers: str, text: str) -> None:
    """Send, wait for the last one at the first receiver, and say who has seen what."""
    labels = {f"<{label}>".encode(): label for label, _ in json.loads(text)}
    ears = {name: _raw(name) for name in receivers.split(",")}
    mouth = _raw(sender)
    for _, frame in json.loads(text):
        mouth.send(bytes.fromhex(frame))
    found: dict[str, list[str]] = {name: [] for name in ears}
    deadline = time.monotonic() + PATIENCE_SECONDS
    for name, ear in ears.items():
        ear.setblocking(False)
        while time.monotonic() < deadline:
            try:
                frame = ear.recv(65536)
            except BlockingIOError:
                if HONEST[-1] in found[next(iter(found))]:
                    break
                time.sleep(0.01)
                continue
            found[name] += [label for mark, label in labels.items() if mark in frame]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
