"""The server service as a WSGI application: `use = egg:apus#compute`.

conf ──▶ app_factory ──▶ Service(routes of all controllers)      and, beside it, the conductor's sweep
"""

from __future__ import annotations

import logging
from pathlib import Path

from ...common import concurrency
from ...common.config import parse
from ...common.errors import ApusError
from ...common.identity import Login, OwnToken, Verifier
from ..api.faults import nova_style
from ..api.routing import Routes
from ..api.service import Service, TokenReader
from ..api.versions import Versions
from ..catalogue import Catalogue
from .conductor import Conductor
from .controllers.actions import ActionController
from .controllers.agents import AgentController
from .controllers.aggregates import AggregateController
from .controllers.consoles import ConsoleController
from .controllers.creation import CreationController
from .controllers.details import DetailController
from .controllers.devices import DeviceController
from .controllers.diagnostics import DiagnosticsController
from .controllers.external_events import ExternalEventController
from .controllers.flavors import FlavorController
from .controllers.frame import FrameController
from .controllers.groups import GroupController
from .controllers.guest_passwords import GuestPasswordController
from .controllers.hosts import HostController
from .controllers.keypairs import KeypairController
from .controllers.quotas import QuotaController
from .controllers.remote_consoles import RemoteConsoleController
from .controllers.rim import NEWEST, OLDEST, serve
from .controllers.servers import ServerController
from .images import ImageClient
from .networks import NetworkClient
from .peers import Peer
from .reports import Reports
from .scheduling import filters_named, weighers_named
from .settings import ServerConfig
from .volumes import VolumeClient
from .world import World

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Service:
    """Return the service that the section describes, its background work begun."""
    settings = parse(ServerConfig, {**global_conf, **local_conf})
    verifier = Verifier.of(settings.token_keys, settings.identity_url, service_type="compute")
    world, conductor = surroundings(settings)
    concurrency.spawn(lambda: _sweep(conductor, settings.sweep_seconds))
    return service(world, conductor, verifier)


def surroundings(settings: ServerConfig) -> tuple[World, Conductor]:
    """Open the catalogue and find the other services."""
    login = Login(
        identity_url=settings.identity_url,
        user=settings.service_user,
        password=settings.service_password,
        project=settings.service_project,
        domain=settings.service_domain,
    )
    own = OwnToken(login)
    led: list[Conductor] = []

    def wake(server_id: str) -> None:
        concurrency.spawn(lambda: _lead(led[0], server_id))

    world = World(
        catalogue=Catalogue.open(settings.database, MIGRATIONS),
        images=ImageClient(Peer("image", settings.image_url, own)),
        networks=NetworkClient(Peer("network", settings.network_url, own)),
        volumes=VolumeClient(Peer("volume", settings.volume_url, own)),
        settings=settings,
        filters=filters_named(settings.filters),
        weighers=weighers_named(settings.weighers),
        wake=wake,
    )
    led.append(Conductor(world))
    return world, led[0]


def service(world: World, conductor: Conductor, verifier: TokenReader) -> Service:
    """Return the WSGI application."""
    routes = Routes()
    remote = RemoteConsoleController(world)
    actions = ActionController(world, {**ConsoleController(world).actions(), **remote.actions()})
    controllers = (
        FrameController(),
        FlavorController(world),
        KeypairController(world),
        CreationController(world),
        ServerController(world),
        actions,
        remote,
        DeviceController(world, conductor),
        DetailController(world),
        DiagnosticsController(world),
        ExternalEventController(world),
        GuestPasswordController(world),
        GroupController(world),
        HostController(world),
        AggregateController(world),
        QuotaController(world),
        AgentController(world, Reports(world, conductor)),
    )
    for controller in controllers:
        serve(routes, controller)
    versions = Versions("compute", OLDEST, NEWEST, "X-OpenStack-Nova-API-Version")
    return Service(
        "compute",
        routes,
        nova_style,
        verifier,
        versions,
        authenticate_at=world.settings.identity_url,
    )


def _lead(conductor: Conductor, server_id: str) -> None:
    try:
        conductor.lead(server_id)
    except ApusError as problem:
        log.warning("a step is left to the next sweep", extra={"server": server_id, "reason": str(problem)})
    except Exception:  # noqa: BLE001 - nobody waits for this thread; the sweep comes again
        log.exception("the conductor failed", extra={"server": server_id})


def _sweep(conductor: Conductor, seconds: float) -> None:
    while True:
        concurrency.sleep(seconds)
        try:
            conductor.sweep()
        except Exception:  # noqa: BLE001 - the loop that keeps the conductor alive
            log.exception("a sweep failed")
