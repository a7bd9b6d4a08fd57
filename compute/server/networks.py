"""The network service as servers need it.

NetworkClient(peer) ──▶ networks(token), security_groups(…), make_port(…) ──▶ Port, bind(…),
remove_port(…)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..api.faults import Fault
from .peers import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of the network service."""

    id: str
    network_id: str
    network_name: str
    mac: str
    addresses: tuple[Mapping[str, Any], ...]
    vif: Mapping[str, Any]
    project_id: str = ""
    device_id: str = ""
    status: str = "DOWN"
    mtu: int = 1500


class NetworkClient:
    """Talks to the network service."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def networks(self, token: str, project_id: str) -> list[dict[str, Any]]:
        """Return the networks a server of the project may be put on unasked: its own, then shared ones."""
        found = self.peer.ask("GET", "/v2.0/networks", token=token)["networks"]
        own = [net for net in found if net.get("project_id") == project_id]
        shared = [net for net in found if net.get("shared") and net not in own]
        return [net for net in own or shared if not net.get("router:external")]

    def network(self, network_id: str, token: str = "") -> dict[str, Any]:
        """Return a network that the holder of the token may see; raise Fault (404) for any other."""
        found = self.peer.ask("GET", f"/v2.0/networks/{network_id}", token=token)
        return dict(found["network"])

    def port(self, port_id: str, token: str = "") -> Port:
        """Return a port that the holder of the token may see; raise Fault (404) for any other."""
        return self._port(self.peer.ask("GET", f"/v2.0/ports/{port_id}", token=token)["port"])

    def security_groups(self, names: Sequence[str], project_id: str, token: str) -> list[str]:
        """Return the ids of the project's groups of these names or ids.

        Raises:
            Fault: (400) one of them is not there.
        """
        query = {"project_id": project_id}
        found = self.peer.ask("GET", "/v2.0/security-groups", token=token, query=query)["security_groups"]
        ids = []
        for name in names:
            match = [group["id"] for group in found if name in (group["id"], group["name"])]
            if not match:
                raise Fault(400, f"Security group {name} not found for project {project_id}.")
            ids.append(match[0])
        return ids

    def make_port(
        self,
        *,
        network_id: str,
        project_id: str,
        server_id: str,
        host: str,
        zone: str,
        security_groups: Sequence[str],
        fixed_ip: str | None = None,
    ) -> Port:
        """Make a port for the server, bound to its host."""
        document: dict[str, Any] = {
            "network_id": network_id,
            "project_id": project_id,
            "device_id": server_id,
            "device_owner": f"compute:{zone}",
            "binding:host_id": host,
        }
        if security_groups:
            document["security_groups"] = list(security_groups)
        if fixed_ip:
            document["fixed_ips"] = [{"ip_address": fixed_ip}]
        return self._port(self.peer.ask("POST", "/v2.0/ports", {"port": document})["port"])

    def bind(self, port_id: str, *, server_id: str, host: str, zone: str) -> Port:
        """Give a port to the server, on that host."""
        document = {"device_id": server_id, "device_owner": f"compute:{zone}", "binding:host_id": host}
        return self._port(self.peer.ask("PUT", f"/v2.0/ports/{port_id}", {"port": document})["port"])

    def release(self, port_id: str) -> None:
        """Let a port that its owner made be nobody's; one that is gone is fine."""
        document = {"device_id": "", "device_owner": "", "binding:host_id": ""}
        try:
            self.peer.ask("PUT", f"/v2.0/ports/{port_id}", {"port": document})
        except Fault as problem:
            if problem.status != 404:
                raise

    def remove_port(self, port_id: str) -> None:
        """Remove a port; one that is gone is fine."""
        try:
            self.peer.ask("DELETE", f"/v2.0/ports/{port_id}")
        except Fault as problem:
            if problem.status != 404:
                raise

    def set_groups(self, port_id: str, groups: Sequence[str], token: str) -> None:
        """Let these security groups, by id, guard the port."""
        document = {"port": {"security_groups": list(groups)}}
        self.peer.ask("PUT", f"/v2.0/ports/{port_id}", document, token=token)

    def floating(self, project_id: str) -> dict[str, list[str]]:
        """Return the project's floating addresses by the fixed address that each leads to."""
        query = {"project_id": project_id}
        found = self.peer.ask("GET", "/v2.0/floatingips", query=query)["floatingips"]
        by_fixed: dict[str, list[str]] = {}
        for entry in found:
            if entry.get("fixed_ip_address"):
                by_fixed.setdefault(entry["fixed_ip_address"], []).append(entry["floating_ip_address"])
        return by_fixed

    def _port(self, found: Mapping[str, Any]) -> Port:
        network = self.peer.ask("GET", f"/v2.0/networks/{found['network_id']}")["network"]
        addresses = []
        for fixed in found.get("fixed_ips", ()):
            subnet = self.peer.ask("GET", f"/v2.0/subnets/{fixed['subnet_id']}")["subnet"]
            addresses.append(
                {
                    "address": fixed["ip_address"],
                    "prefix": int(subnet["cidr"].rsplit("/", 1)[1]),
                    "version": subnet["ip_version"],
                    "gateway": subnet.get("gateway_ip"),
                    "dns": subnet.get("dns_nameservers", []),
                    "routes": subnet.get("host_routes", []),
                    "dhcp": bool(subnet.get("enable_dhcp")),
                    "subnet_id": fixed["subnet_id"],
                }
            )
        return Port(
            id=found["id"],
            network_id=found["network_id"],
            network_name=network.get("name", ""),
            mac=found["mac_address"],
            addresses=tuple(addresses),
            vif={"type": found.get("binding:vif_type", ""), **(found.get("binding:vif_details") or {})},
            project_id=found.get("project_id", ""),
            device_id=found.get("device_id") or "",
            status=found.get("status", "DOWN"),
            mtu=network.get("mtu") or 1500,
        )
