"""What every controller works with, put together once per worker.

    settings, swift.conf, rings, pool ──▶ Services ──▶ controllers

Holds and joins; decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..common.cluster import ClusterConf
from .infos import Infos
from .replicas import Replicas
from .settings import ProxySettings


@dataclass(frozen=True, slots=True)
class Services:
    """The proxy's means."""

    settings: ProxySettings
    cluster: ClusterConf
    replicas: Replicas
    infos: Infos
    owner_headers: frozenset[str]
    """Title-Case names that only an account's owner may see or set."""

    def owner_keys(self) -> list[str]:
        """Return the environ keys of the owner headers."""
        return ["HTTP_" + name.upper().replace("-", "_") for name in self.owner_headers]
