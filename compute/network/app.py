"""The network service: PasteDeploy's entry, and everything that it serves.

[app:network-server] use = egg:apus#network ──▶ NetworkSettings ──▶ Desk ──▶ Service(routes)
"""

from __future__ import annotations

from pathlib import Path

from ...common.config import parse
from ...common.identity import Verifier
from ..api.faults import neutron_style
from ..api.routing import Routes
from ..api.service import Service, TokenReader
from ..catalogue import Catalogue
from .extensions import Extensions
from .floating import FloatingAddresses
from .hosts import Hosts
from .networks import Networks
from .ports import Ports
from .quotas import Quotas
from .ranges import AddressGroups, AddressScopes, SubnetPools
from .resources import Desk
from .routers import Routers
from .security_groups import SecurityGroupRules, SecurityGroups
from .settings import NetworkSettings
from .sharing import RbacPolicies, Tags
from .subnets import SubnetCollection

MIGRATIONS = Path(__file__).parent / "migrations"
COLLECTIONS = (
    Networks,
    SubnetCollection,
    Ports,
    SecurityGroups,
    SecurityGroupRules,
    Routers,
    FloatingAddresses,
    SubnetPools,
    AddressScopes,
    AddressGroups,
    RbacPolicies,
)


def service(settings: NetworkSettings, catalogue: Catalogue, verifier: TokenReader) -> Service:
    """Return the application."""
    desk = Desk(catalogue, settings)
    routes = Routes()
    collections = [kind(desk) for kind in COLLECTIONS]
    for part in (*collections, Tags(desk, collections), Quotas(desk), Hosts(desk), Extensions(desk)):
        part.add_to(routes)
    return Service("network", routes, neutron_style, verifier, authenticate_at=settings.identity_url)


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Service:
    """PasteDeploy's entry."""
    settings = parse(NetworkSettings, {**global_conf, **local_conf})
    verifier = Verifier.of(settings.token_keys, settings.identity_url, service_type="network")
    return service(settings, Catalogue.open(settings.database, MIGRATIONS), verifier)
