"""Hosts that carry no packets, but say that they do: what ports of servers wait for, without a bridge.

    carrying(names, …) ──▶ a thread that tells the network service, for each host, that all it wants is there

The network service's own agents make bridges and namespaces and must be root; Tempest's tests of the API only
read what becomes of a port.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from tempest_conf import OUTSIDE

BEAT_SECONDS = 0.3
PATIENCE_SECONDS = 60


@dataclass(slots=True)
class _Host:
    """What a host has heard last."""

    name: str
    applied: int = -1
    ports: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "applied": self.applied,
            "ports": self.ports,
            "tunnel_address": "127.0.0.1",
            "physical_networks": [OUTSIDE],
        }

    def hear(self, wanted: Mapping[str, Any]) -> None:
        """Have everything at once."""
        sockets = [network["dhcp"] for network in wanted["networks"]]
        for router in wanted["routers"]:
            sockets += [*router["interfaces"], router["gateway"]]
        self.ports = [port["id"] for port in wanted["ports"]]
        self.ports += [socket["port_id"] for socket in sockets if socket]
        self.applied = wanted["generation"]


@contextmanager
def carrying(names: Sequence[str], *, network_url: str, identity_url: str, password: str) -> Iterator[None]:
    """Report for the hosts of these names, as the user `cloud`."""
    stop = threading.Event()
    session = requests.Session()

    def work() -> None:
        hosts = [_Host(name) for name in names]
        while not stop.wait(BEAT_SECONDS):
            with suppress(requests.RequestException):  # The service is being started, or is busy.
                for host in hosts:
                    _exchange(session, host, network_url)
                    if "X-Auth-Token" not in session.headers:
                        session.headers["X-Auth-Token"] = _token(identity_url, password)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _exchange(session: requests.Session, host: _Host, network_url: str) -> None:
    url = f"{network_url}/v2.0/hosts/{host.name}"
    answer = session.put(url, json={"host": host.report()}, timeout=PATIENCE_SECONDS)
    if answer.status_code == 401:
        session.headers.pop("X-Auth-Token", None)
    elif answer.status_code == 200:
        host.hear(answer.json()["wanted"])


def _token(identity_url: str, password: str) -> str:
    user = {"name": "cloud", "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": "service", "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    document: dict[str, Any] = {"auth": {"identity": identity, "scope": scope}}
    answer = requests.post(f"{identity_url}/v3/auth/tokens", json=document, timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    return answer.headers["X-Subject-Token"]
