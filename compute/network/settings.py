"""What an operator may set about the network service.

[app:network-server] ──parse──▶ NetworkSettings
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Limits, defaults, and where everything is."""

    database: str = setting(
        "sqlite:////var/lib/apus/network.db",
        help="Where networks are kept: sqlite:////FILE, postgresql+pg8000://… or mysql+pymysql://…",
    )
    identity_url: str = setting("http://127.0.0.1:5000", help="The identity service, without /v3.")
    token_keys: str = setting("/etc/apus/token-keys", help="Folder with the identity service's public keys.")
    physical_mtu: int = setting(
        1500, help="Bytes that a packet of the hosts' network may have.", minimum=576, maximum=65535
    )
    base_mac: str = setting("fa:16:3e:00:00:00", help="Three octets that all ports' MACs begin with.")
    tunnel_ids: tuple[str, ...] = setting(
        ("1:65535",), help="FIRST:LAST, ...: the VXLAN ids that networks get."
    )
    agent_down_time: float = setting(
        30.0, help="Seconds of silence after which a host's networks move to another.", minimum=2.0
    )
    zone: str = setting("nova", help="The one availability zone that hosts are in.")
    quota_network: int = setting(100, help="Networks of a project; -1 for any number.")
    quota_subnet: int = setting(100, help="Subnets of a project; -1 for any number.")
    quota_port: int = setting(500, help="Ports of a project; -1 for any number.")
    quota_router: int = setting(10, help="Routers of a project; -1 for any number.")
    quota_floatingip: int = setting(50, help="Floating addresses of a project; -1 for any number.")
    quota_security_group: int = setting(10, help="Security groups of a project; -1 for any number.")
    quota_security_group_rule: int = setting(100, help="Rules of a project; -1 for any number.")
    quota_subnetpool: int = setting(-1, help="Pools of subnets of a project; -1 for any number.")
    quota_rbac_policy: int = setting(10, help="Sharing policies of a project; -1 for any number.")

    def __post_init__(self) -> None:
        """Refuse what would fail at the first network only."""
        assert self.tunnel_spans

    @property
    def quotas(self) -> Mapping[str, int]:
        """The limits of projects that have none of their own."""
        return {
            name.removeprefix("quota_"): getattr(self, name)
            for name in self.__dataclass_fields__
            if name.startswith("quota_")
        }

    @property
    def tunnel_spans(self) -> list[tuple[int, int]]:
        """The VXLAN ids, by first and last."""
        spans = []
        for word in self.tunnel_ids:
            first, _, last = word.partition(":")
            if not (first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last) <= 0xFFFFFF):
                raise ValueError(f"tunnel_ids = {', '.join(self.tunnel_ids)}: expected FIRST:LAST, ...")
            spans.append((int(first), int(last)))
        return spans
