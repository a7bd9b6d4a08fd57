"""The image service as a WSGI application, for a PasteDeploy pipeline.

[app:image-server] use = egg:apus#image ──▶ app_factory() ──▶ Service, and upkeep in the background
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ...common import concurrency
from ...common.config import parse
from ...common.identity import Verifier
from ..api.faults import glance_style
from ..api.routing import Routes, methods_of
from ..api.service import Service, TokenReader
from ..block.config import BlockConfig
from ..catalogue import Catalogue
from ..store.account import Account
from ..store.config import StoreConfig
from ..store.interface import Store
from .data import Data
from .definitions import Definitions
from .desk import Desk
from .discovery import Discovery
from .images import Images
from .importing import Importing, Spawn, import_methods
from .intake import Intake
from .members import Members
from .rebuild import rebuild
from .settings import ImageSettings
from .shelf import Shelf
from .web_fetch import Resolve, resolve

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


class ImageService(Service):
    """The service, and the upkeep that goes with it."""

    intake: Intake


def make_service(
    *,
    catalogue: Catalogue,
    store: Store,
    verifier: TokenReader,
    settings: ImageSettings,
    blocks: BlockConfig,
    clock: Callable[[], float] = time.time,
    spawn: Spawn = concurrency.spawn,
    resolve: Resolve = resolve,
) -> ImageService:
    """Return the service over these."""
    desk = Desk(catalogue, Shelf(store, blocks), settings, clock)
    intake = Intake(desk)
    routes = Routes()
    for controller in (
        Discovery(desk),
        Images(desk, intake, import_methods(web=settings.web_download)),
        Data(desk, intake),
        Definitions(desk),
        Members(desk),
        Importing(desk, intake, spawn=spawn, resolve=resolve),
    ):
        methods_of(controller, routes)
    service = ImageService("image", routes, glance_style, verifier, authenticate_at=settings.identity_url)
    service.intake = intake
    return service


def rebuild_of(options: Mapping[str, str]) -> int:
    """Add to the catalogue of a conf's section what the store knows of images; return how many."""
    shelf = Shelf(Account(parse(StoreConfig, options)), parse(BlockConfig, options))
    return rebuild(Catalogue.open(parse(ImageSettings, options).database, MIGRATIONS), shelf)


def app_factory(global_conf: dict[str, str], **local_conf: str) -> ImageService:
    """Build the application from its section."""
    options = {**global_conf, **local_conf}
    settings = parse(ImageSettings, options)
    service = make_service(
        catalogue=Catalogue.open(settings.database, MIGRATIONS),
        store=Account(parse(StoreConfig, options)),
        verifier=Verifier.of(settings.token_keys, settings.identity_url, service_type="image"),
        settings=settings,
        blocks=parse(BlockConfig, options),
    )
    concurrency.spawn(_keep_up, service.intake, settings.upkeep_seconds)
    return service


def _keep_up(intake: Intake, interval_seconds: float) -> None:
    """Look after what was broken off, again and again."""
    while True:
        try:
            intake.settle_lapsed()
        except Exception:  # noqa: BLE001 - upkeep goes on after any failure; the log has the traceback
            log.warning("upkeep of images failed", exc_info=True)
        concurrency.sleep(interval_seconds)
