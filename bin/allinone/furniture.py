"""What a new cloud has in it: flavors, a public network, and a network of the project demo's own.

    clouds.yaml's admin ──▶ furnish() ──HTTP──▶ flavors, networks; then: is every agent heard of?

Made once, by the services' own API; what a person has changed or removed since stays so.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from ...common.errors import ApusError, Unavailable
from ...common.identity import Login, OwnToken
from .hosting import PHYSICAL_NETWORK
from .layout import COMPUTE_AGENT, NETWORK_AGENT, Layout
from .processes import last_words

AGENTS_SECONDS = 180.0  # Of a machine that is busy with much else; mostly it is two.
LOOK_SECONDS = 0.3
_TIMEOUT_SECONDS = 120
FLAVORS: Mapping[str, tuple[str, int, int, int]] = {
    "1": ("m1.tiny", 512, 1, 1),
    "2": ("m1.small", 2048, 1, 20),
    "3": ("m1.medium", 4096, 2, 40),
    "4": ("m1.large", 8192, 4, 80),
    "5": ("m1.xlarge", 16384, 8, 160),
    "42": ("m1.nano", 128, 1, 1),
}
"""By id, as every OpenStack course knows them: name, MiB of memory, processors, GiB of disk."""
PRIVATE_RANGE = "10.0.0.0/26"


def furnish(layout: Layout) -> tuple[str, ...]:
    """Make what is missing of a new cloud's furniture; return what a person should know.

    Raises:
        ApusError: a service did not do it.
    """
    cloud = _Cloud(layout)
    done = layout.cloud / "furnished.json"
    made = set(json.loads(done.read_text())) if done.exists() else set()
    rooms = {COMPUTE_AGENT: cloud.make_flavors, NETWORK_AGENT: cloud.make_networks}
    for role, make in rooms.items():
        if role in layout.agents and role not in made:
            make()
            made.add(role)
            done.write_text(json.dumps(sorted(made)) + "\n")
    heard: dict[str, Callable[[], bool]] = {
        COMPUTE_AGENT: cloud.has_hypervisor,
        NETWORK_AGENT: cloud.has_network_agent,
    }
    end = time.monotonic() + AGENTS_SECONDS
    silent = [role for role, look in heard.items() if role in layout.agents and not _becomes(look, end)]
    return tuple(
        f"nothing is heard of {role}; {layout.agent(role).log} ends:\n{last_words(layout.agent(role))}"
        for role in silent
    )


def _becomes(look: Callable[[], bool], end: float) -> bool:
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True


class _Cloud:
    """The services, as the administrator meets them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._compute = f"{layout.tenant_url('compute')}/v2.1"
        self._network = f"{layout.tenant_url('network')}/v2.0"
        try:
            auth = json.loads(layout.clouds_file.read_text())["clouds"]["admin"]["auth"]
        except (OSError, ValueError, KeyError) as problem:
            raise ApusError(f"{layout.clouds_file} does not say how admin logs in") from problem
        login = Login(
            identity_url=layout.tenant_url("identity"),
            user=auth["username"],
            password=auth["password"],
            project=auth["project_name"],
        )
        self._token = OwnToken(login)

    def make_flavors(self) -> None:
        """Make the flavors, where there are none at all."""
        if self._ask("GET", f"{self._compute}/flavors")["flavors"]:
            return
        for flavor_id, (name, ram, vcpus, disk) in FLAVORS.items():
            flavor = {"id": flavor_id, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk}
            self._ask("POST", f"{self._compute}/flavors", {"flavor": flavor})

    def make_networks(self) -> None:
        """Make the public network, and demo's with its router; each where there is none of its name."""
        public = self._named("network", PHYSICAL_NETWORK, self._outside)
        self._named("subnet", "public-subnet", lambda: self._addresses_outside(public["id"]))
        demo = self._project("demo")
        if not demo:
            return
        private = self._named("network", "private", lambda: {"project_id": demo}, project_id=demo)
        addresses = {"ip_version": 4, "cidr": PRIVATE_RANGE, "network_id": private["id"], "project_id": demo}
        subnet = self._named("subnet", "private-subnet", lambda: addresses, project_id=demo)
        way = {"project_id": demo, "external_gateway_info": {"network_id": public["id"]}}
        router = self._named("router", "router1", lambda: way, project_id=demo)
        ports = self._ask("GET", f"{self._network}/ports?device_id={router['id']}")["ports"]
        if not any(port["network_id"] == private["id"] for port in ports):
            path = f"{self._network}/routers/{router['id']}/add_router_interface"
            self._ask("PUT", path, {"subnet_id": subnet["id"]})

    def _outside(self) -> dict[str, Any]:
        return {
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": PHYSICAL_NETWORK,
        }

    def _addresses_outside(self, network_id: str) -> dict[str, Any]:
        addresses = ipaddress.ip_network(self._layout.public_range)
        return {
            "network_id": network_id,
            "ip_version": 4,
            "cidr": str(addresses),
            "gateway_ip": str(addresses[1]),
            "enable_dhcp": False,
        }

    def _named(
        self, kind: str, name: str, of: Callable[[], Mapping[str, Any]], **where: str
    ) -> dict[str, Any]:
        """Return the thing of that name, a new one where there is none."""
        query = "".join(f"&{key}={value}" for key, value in where.items())
        found = self._ask("GET", f"{self._network}/{kind}s?name={name}{query}")[f"{kind}s"]
        if found:
            return dict(found[0])
        return dict(self._ask("POST", f"{self._network}/{kind}s", {kind: {"name": name, **of()}})[kind])

    def _project(self, name: str) -> str:
        url = f"{self._layout.tenant_url('identity')}/v3/projects?name={name}&domain_id=default"
        found = self._ask("GET", url)["projects"]
        return str(found[0]["id"]) if found else ""

    def has_hypervisor(self) -> bool:
        """Whether a host of servers is there."""
        services = self._ask("GET", f"{self._compute}/os-services?binary=nova-compute")["services"]
        return any(each["state"] == "up" for each in services)

    def has_network_agent(self) -> bool:
        """Whether a host of networks is there."""
        return any(each["alive"] for each in self._ask("GET", f"{self._network}/agents")["agents"])

    def _ask(self, method: str, url: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"X-Auth-Token": self._token.token()}
        try:
            answer = requests.request(method, url, json=document, headers=headers, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as problem:
            raise Unavailable(f"{method} {url}: {problem}") from problem
        if answer.status_code >= 400:
            raise ApusError(f"{method} {url} was answered {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json())
