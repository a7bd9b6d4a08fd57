"""The agent of one host: again and again, makes the host what the service says it shall be.

    exchange(report) ──▶ Wanted ──▶ layout ──▶ Host.become(), Doors ──▶ report: these ports are ready

A port is reported as ready once bridge, rules and DHCP are, before the guest's device is there: the device
finds its firewall in place. When the service can't be reached, the host stays as it is.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....common.config import parse, setting
from ....common.daemon import Daemon
from ....common.errors import Refused, Unavailable
from ....common.identity import Login, OwnToken
from .dhcp import DhcpSettings
from .execution import Host
from .layout import HostSettings, Layout, layout
from .metadata import Doors
from .service import NetworkService
from .wanted import Wanted

log = logging.getLogger(__name__)

CHECK_SECONDS = 30.0  # So often the host is looked at although nothing new is wanted of it.


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What an operator may set about a host's networks."""

    host: str = setting(
        "", help="Name of this host, as the compute agent has it too; empty for the machine's."
    )
    state_path: str = setting(
        "/var/lib/apus/network",
        help="Folder for what was made, and for dnsmasq's files; dhcp_user must be able to read it.",
    )
    network_url: str = setting("http://127.0.0.1:9696", help="The network service.")
    identity_url: str = setting("http://127.0.0.1:5000", help="The identity service, without /v3.")
    username: str = setting("cloud", help="User of the agent; needs the role service or admin.")
    password: str = setting("", help="Its password.")
    project_name: str = setting("service", help="Its project.")
    domain_name: str = setting("Default", help="The domain of both.")
    interval: float = setting(1.0, help="Seconds between two questions for news.", minimum=0.05)
    tunnel_ip: str = setting(
        "", help="This host's address for VXLAN between hosts; empty where it is the only one."
    )
    bridge_mappings: tuple[str, ...] = setting(
        (), help="PHYSICAL_NETWORK:BRIDGE, ...: bridges of the operator's that are physical networks."
    )
    interface_mappings: tuple[str, ...] = setting(
        (), help="PHYSICAL_NETWORK:DEVICE, ...: devices that join the bridges of such networks."
    )
    host_addresses: tuple[str, ...] = setting(
        (),
        help="PHYSICAL_NETWORK:ADDRESS/LENGTH, ...: addresses that this host itself takes in such "
        "networks; what leaves from there to elsewhere takes the host's address. So one machine "
        "reaches its floating addresses.",
    )
    table: str = setting(
        "apus", help="Name of the nftables tables; agents of two clouds on one machine need two names."
    )
    dns_domain: str = setting("cloud.internal", help="Domain of the names that DHCP gives.")
    dns_servers: tuple[str, ...] = setting(
        (), help="Resolvers that dnsmasq asks for names which aren't the network's."
    )
    dhcp_user: str = setting("nobody", help="User that dnsmasq becomes.")
    metadata_url: str = setting(
        "", help="The server service, which answers guests' requests for metadata; empty for none."
    )
    metadata_secret: str = setting("", help="What the server service knows our requests by.")


class NetworkAgent(Daemon):
    """Runs on each host that has guests or routers."""

    def __init__(self, options: Mapping[str, str]) -> None:
        settings = parse(AgentSettings, options)
        self.interval_seconds = settings.interval
        self._name = settings.host or socket.gethostname()
        self._settings = settings
        self._host_settings = host_settings(settings)
        self._host = Host(Path(settings.state_path))
        self._doors = Doors(settings.metadata_url, settings.metadata_secret)
        login = Login(
            identity_url=settings.identity_url,
            user=settings.username,
            password=settings.password,
            project=settings.project_name,
            domain=settings.domain_name,
        )
        self._service = NetworkService(settings.network_url.rstrip("/"), OwnToken(login))
        self._wanted: Wanted | None = None
        self._applied = -1
        self._checked_at = 0.0

    def run_once(self) -> None:
        """Fetch, compare, do, report.

        Raises:
            Unavailable: the service does not answer as it should, or has gone back in time: what an empty
                database wants would take every guest of the host off its network.
        """
        news = self._service.exchange(self._name, self._report())
        if news is not None:
            if self._wanted is not None and news.generation < self._wanted.generation:
                raise Unavailable(
                    "the network service has an older database than before; the host stays as it is until "
                    "that is mended, or this agent is restarted"
                )
            self._wanted = news
        is_due = time.monotonic() - self._checked_at > CHECK_SECONDS
        if self._wanted is None or not (is_due or self._applied != self._wanted.generation):
            return
        whole = self.become(layout(self._wanted, self._host_settings))
        self._checked_at = time.monotonic()
        self._applied = self._wanted.generation if whole else -1
        if whole and news is not None:
            self._service.exchange(
                self._name, self._report()
            )  # Somebody waits for a port: not until the next pass.

    def become(self, layout_wanted: Layout) -> bool:
        """Make the host so; return whether all of it could be done."""
        self._doors.close_others(layout_wanted.doors)
        whole = self._host.become(layout_wanted)
        return not self._doors.open(layout_wanted.doors) and whole

    def _report(self) -> dict[str, Any]:
        settings = self._settings
        ready = self._wanted is not None and self._applied == self._wanted.generation
        return {
            "tunnel_address": settings.tunnel_ip,
            "physical_networks": sorted(
                {
                    *self._host_settings.bridges,
                    *self._host_settings.uplinks,
                    *self._host_settings.own_addresses,
                }
            ),
            "applied": self._applied,
            "ports": self._wanted.port_ids if ready and self._wanted else [],
        }


def host_settings(settings: AgentSettings) -> HostSettings:
    """Return what the layout needs to know of the settings.

    Raises:
        Refused: a mapping is none.
    """
    dhcp = DhcpSettings(
        str(Path(settings.state_path).absolute()),
        settings.dns_domain,
        settings.dns_servers,
        settings.dhcp_user,
    )
    return HostSettings(
        tunnel_address=settings.tunnel_ip,
        dhcp=dhcp,
        bridges=_mapping("bridge_mappings", settings.bridge_mappings),
        uplinks=_mapping("interface_mappings", settings.interface_mappings),
        own_addresses=_mapping("host_addresses", settings.host_addresses),
        table=settings.table,
    )


def _mapping(option: str, words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition(":") for word in words]
    for name, colon, value in pairs:
        if not (name and colon and value):
            raise Refused(f"{option} = {', '.join(words)}: expected PHYSICAL_NETWORK:SOMETHING")
    return {name: value for name, _, value in pairs}
