"""A proxy that reaches object servers through relays, which can be told to let nothing through.

    proxy ──ring with other ports──▶ Relay ──▶ object server       .is_cut: what is sent waits, and comes late

The cluster's other processes know nothing of it.
"""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from clusters import AllInOne, free_port_block
from fronts import front
from store import Store

from apus.ring.file import read_ring_file, write_ring_file

_LOOK_SECONDS = 0.02
_PIECE_BYTES = 65536


class Relay:
    """Passes connections on to one port."""

    def __init__(self, port: int) -> None:
        self.is_cut = False
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._wait()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, goal: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                self._wait()
                goal.sendall(data)
        for end in (source, goal):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait(self) -> None:
        while self.is_cut:
            time.sleep(_LOOK_SECONDS)


@contextmanager
def relayed_proxy(cluster: AllInOne, folder: Path) -> Iterator[tuple[Store, list[Relay]]]:
    """Another proxy of the cluster, and the relays between it and each object server."""
    conf = (cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    match = re.search(r"^swift_dir *= *(.+)$", conf, flags=re.MULTILINE)
    assert match is not None
    directory = folder / "etc"
    shutil.copytree(match[1].strip(), directory)
    ring = read_ring_file(directory / "object.ring.gz")
    relays: dict[int, Relay] = {}
    for place, device in enumerate(ring.devices):
        if device is not None:
            if device.port not in relays:
                relays[device.port] = Relay(device.port)
            ring.devices[place] = replace(device, port=relays[device.port].port)
    write_ring_file(ring, directory / "object.ring.gz")
    port = free_port_block(1)
    conf = re.sub(r"^swift_dir *=.*$", f"swift_dir = {directory}", conf, flags=re.MULTILINE)
    conf = re.sub(r"^bind_port *=.*$", f"bind_port = {port}", conf, flags=re.MULTILINE)
    try:
        with front(conf, folder, port=port) as store:
            yield store, list(relays.values())
    finally:
        for relay in relays.values():
            relay.close()
