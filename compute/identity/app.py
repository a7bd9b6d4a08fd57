"""The identity service: PasteDeploy's entry, and everything that it serves.

[app:identity-server] use = egg:apus#identity ──▶ IdentityConfig ──▶ World ──▶ Service(routes)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from webob import Response

from ...common.config import parse
from ...common.identity import Verifier
from ...common.identity.notice_board import Notices
from ..api.call import Call
from ..api.faults import keystone_style
from ..api.reply import answer
from ..api.routing import Routes
from ..api.service import Service
from ..catalogue import Catalogue
from .access_keys import AccessKeys, Credentials
from .application_credentials import ApplicationCredentials
from .assignments import Assignments
from .catalog import Endpoints, Regions, Services
from .collection import base_of
from .keys import KeyFolder
from .limits import Limits, RegisteredLimits
from .passwords import Passwords
from .people import Groups, Users
from .places import Domains, Projects
from .policies import Policies
from .publishing import Publisher
from .role_assignments import RoleAssignments
from .role_kinds import Roles
from .settings import IdentityConfig
from .tokens import Tokens
from .world import World

MIGRATIONS = Path(__file__).parent / "migrations"
SERVICE_TYPE = "identity"
VERSION = "v3.14"
PARTS = (
    Tokens,
    Domains,
    Projects,
    Users,
    Groups,
    Roles,
    Assignments,
    RoleAssignments,
    Services,
    Endpoints,
    Regions,
    Credentials,
    AccessKeys,
    ApplicationCredentials,
    RegisteredLimits,
    Limits,
    Policies,
)


class _OwnBoard:
    """The publisher as a board that a verifier reads."""

    def __init__(self, world: World) -> None:
        self._world = world

    def current(self) -> Notices:
        return self._world.publisher.current()


class Discovery:
    """Which versions are served."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve / and /v3."""
        routes.get("/", open_to_all=True)(self.versions)
        routes.get("/v3", open_to_all=True)(self.version)

    def versions(self, call: Call) -> Response:
        """List the one version."""
        return answer(300, {"versions": {"values": [self._version(call)]}})

    def version(self, call: Call) -> Response:
        """Tell of it."""
        return answer(200, {"version": self._version(call)})

    def _version(self, call: Call) -> dict[str, object]:
        media = "application/vnd.openstack.identity-v3+json"
        return {
            "id": VERSION,
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{base_of(self.world, call)}/"}],
            "media-types": [{"base": "application/json", "type": media}],
        }


def world_of(config: IdentityConfig, clock: Callable[[], float] = time.time) -> World:
    """Return everything outside of requests: tables brought up to date, keys made where there are none."""
    catalogue = Catalogue.open(config.database, MIGRATIONS)
    keys = KeyFolder(config.private_keys, config.token_keys)
    keys.found()
    memory = config.token_seconds + config.clock_skew_seconds
    publisher = Publisher(catalogue, keys, config.token_keys, memory_seconds=memory, clock=clock)
    passwords = Passwords(memory_kib=config.password_memory_kib, passes=config.password_passes)
    return World(catalogue, config, keys, passwords, publisher, clock)


def service_of(world: World) -> Service:
    """Return the WSGI application."""
    routes = Routes()
    Discovery(world).add_to(routes)
    for part in PARTS:
        part(world).add_to(routes)
    verifier = Verifier(_OwnBoard(world), service_type=SERVICE_TYPE, clock=world.clock)
    url = world.config.public_url.rstrip("/")
    return Service(SERVICE_TYPE, routes, keystone_style, verifier, authenticate_at=f"{url}/v3" if url else "")


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Service:
    """PasteDeploy's entry: `use = egg:apus#identity`."""
    world = world_of(parse(IdentityConfig, {**global_conf, **local_conf}))
    world.publisher.forget()
    world.publisher.publish()
    return service_of(world)
