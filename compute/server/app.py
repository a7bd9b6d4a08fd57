"""The server service as a WSGI application: `use = egg:apus#compute`.

conf ──▶ app_factory ──▶ Service(routes of all controllers)      and, beside it, the conductor's sweep
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ...common import concurrency
from ...common.config import parse
from ...common.errors import ApusError
from ...common.http.wsgi import Environ, StartResponse
from ...common.identity import Login, OwnToken, Verifier
from ..api.faults import nova_style
from ..api.routing import Routes
from ..api.service import Service, TokenReader
from ..api.versions import Versions
from ..catalogue import Catalogue
from ..store.account import Account
from ..store.config import StoreConfig
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
from .controllers.old_hosts import OldHostController
from .controllers.old_images import OldImageController
from .controllers.old_networks import OldNetworkController
from .controllers.old_volumes import OldVolumeController
from .controllers.quotas import QuotaController
from .controllers.remote_consoles import RemoteConsoleController
from .controllers.rim import NEWEST, OLD_ROOT, OLDEST, ROOT, serve
from .controllers.server_migrations import ServerMigrationController
from .controllers.servers import ServerController
from .healing import Healer
from .images import ImageClient
from .keeping import Keeper, rebuild
from .networks import NetworkClient
from .peers import Peer
from .reports import Reports
from .scheduling import filters_named, weighers_named
from .settings import ServerConfig
from .volumes import VolumeClient
from .world import World

log = logging.getLogger(__name__)

_VERSION_HEADERS = ("HTTP_OPENSTACK_API_VERSION", "HTTP_X_OPENSTACK_NOVA_API_VERSION")
MIGRATIONS = Path(__file__).parent / "migrations"


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Service:
    """Return the service that the section describes, its background work begun."""
    options = {**global_conf, **local_conf}
    settings = parse(ServerConfig, options)
    verifier = Verifier.of(settings.token_keys, settings.identity_url, service_type="compute")
    world, conductor = surroundings(settings)
    keeper = Keeper(world.catalogue, Account(parse(StoreConfig, options)))
    concurrency.spawn(_again_and_again, conductor.sweep, settings.sweep_seconds)
    concurrency.spawn(_again_and_again, keeper.turn, settings.sweep_seconds)
    concurrency.spawn(_again_and_again, Healer(world).turn, settings.heal_seconds)
    return service(world, conductor, verifier)


def rebuild_of(options: Mapping[str, str]) -> int:
    """Add to the catalogue of a conf's section what the store knows of servers; return how many."""
    catalogue = Catalogue.open(parse(ServerConfig, options).database, MIGRATIONS)
    return rebuild(catalogue, Account(parse(StoreConfig, options)))


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


class Compute(Service):
    """The service, under the path that clients of before microversions know, too."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; what comes to /v2 has the oldest form, whatever version it names."""
        path = environ["PATH_INFO"].rstrip("/")
        if path.startswith(f"{OLD_ROOT}/"):
            environ = {name: value for name, value in environ.items() if name not in _VERSION_HEADERS}
            environ["PATH_INFO"] = f"{ROOT}{path.removeprefix(OLD_ROOT)}"
        return super().__call__(environ, start_response)


def service(world: World, conductor: Conductor, verifier: TokenReader) -> Service:
    """Return the WSGI application."""
    routes = Routes()
    remote = RemoteConsoleController(world)
    old_networks = OldNetworkController(world)
    diagnostics = DiagnosticsController(world)
    actors = (ConsoleController(world), remote, diagnostics, old_networks)
    others = {name: action for each in actors for name, action in each.actions().items()}
    actions = ActionController(world, others)
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
        diagnostics,
        ExternalEventController(world),
        GuestPasswordController(world),
        GroupController(world),
        HostController(world),
        ServerMigrationController(world),
        OldHostController(world),
        OldImageController(world),
        old_networks,
        OldVolumeController(world),
        AggregateController(world),
        QuotaController(world),
        AgentController(world, Reports(world, conductor)),
    )
    for controller in controllers:
        serve(routes, controller)
    versions = Versions("compute", OLDEST, NEWEST, "X-OpenStack-Nova-API-Version")
    return Compute(
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


def _again_and_again(turn: Callable[[], None], seconds: float) -> None:
    while True:
        concurrency.sleep(seconds)
        try:
            turn()
        except ApusError as problem:
            log.warning("a turn is left to the next one", extra={"reason": str(problem)})
        except Exception:  # noqa: BLE001 - the loop that keeps the background work alive
            log.exception("a turn failed")
