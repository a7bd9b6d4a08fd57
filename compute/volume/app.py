"""The volume service as a WSGI application, for a PasteDeploy pipeline.

[app:volume-server] use = egg:apus#volume ──▶ app_factory() ──▶ Service, and jobs in the background
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection

from ...common import concurrency
from ...common.config import parse
from ...common.identity import Login, OwnToken, Verifier
from ..api.faults import nova_style
from ..api.routing import Routes
from ..api.service import Service, TokenReader
from ..api.versions import Versions
from ..block.config import BlockConfig
from ..catalogue import Catalogue
from ..store.account import Account
from ..store.config import StoreConfig
from ..store.interface import Store
from . import rows
from .controllers.attach_actions import AttachActions
from .controllers.attachments import AttachmentController
from .controllers.backups import BackupController
from .controllers.doors import mount
from .controllers.encryption import EncryptionController
from .controllers.metadata import MetadataController
from .controllers.operators import NEWEST, OLDEST, OperatorController, serve_versions
from .controllers.qos import QosController
from .controllers.quotas import QuotaController
from .controllers.schedules import ScheduleController, run_due
from .controllers.snapshots import SnapshotController
from .controllers.transfers import TransferController
from .controllers.types import TypeController
from .controllers.volume_actions import VolumeActionController
from .controllers.volumes import VolumeController
from .disks import Disks
from .images import Images
from .jobs import Jobs
from .office import Office
from .settings import VolumeConfig
from .tables import messages, types
from .work import WORK

MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = Versions("volume", OLDEST, NEWEST)


class VolumeService(Service):
    """The service, and the office behind it."""

    office: Office


def make_office(
    config: VolumeConfig,
    *,
    catalogue: Catalogue,
    store: Store,
    blocks: BlockConfig,
    images: Images,
    clock: Callable[[], float] = time.time,
) -> Office:
    """Return the means of the service, its default type made."""
    jobs: Jobs[Office] = Jobs(
        catalogue, WORK, clock, lease_seconds=config.job_lease_seconds, attempts=config.job_attempts
    )
    office = Office(
        config=config, catalogue=catalogue, disks=Disks(store, blocks), images=images, jobs=jobs, clock=clock
    )
    catalogue.transaction(lambda connection: _make_default_type(connection, office))
    return office


def make_service(office: Office, verifier: TokenReader) -> VolumeService:
    """Return the application over these means; whoever calls sees to it that jobs run."""
    routes = Routes()
    serve_versions(routes)
    attaching = AttachActions(office)
    for controller in (
        VolumeController(office),
        VolumeActionController(office, attaching.by_name()),
        attaching,
        AttachmentController(office),
        SnapshotController(office),
        MetadataController(office),
        BackupController(office),
        ScheduleController(office),
        TypeController(office),
        EncryptionController(office),
        QosController(office),
        QuotaController(office),
        TransferController(office),
        OperatorController(office),
    ):
        mount(controller, routes)
    service = VolumeService(
        "volume", routes, nova_style, verifier, VERSIONS, authenticate_at=office.config.identity_url
    )
    service.office = office
    return service


def office_of(options: Mapping[str, str]) -> Office:
    """Return the means that a conf's section describes."""
    config = parse(VolumeConfig, options)
    login = Login(
        identity_url=config.identity_url,
        user=config.service_user,
        password=config.service_password,
        project=config.service_project,
        domain=config.service_domain,
    )
    return make_office(
        config,
        catalogue=Catalogue.open(config.database, MIGRATIONS),
        store=Account(parse(StoreConfig, options)),
        blocks=parse(BlockConfig, options),
        images=Images(config.image_url, OwnToken(login)),
    )


def app_factory(global_conf: dict[str, str], **local_conf: str) -> VolumeService:
    """Build the application from its section, and begin to run jobs."""
    office = office_of({**global_conf, **local_conf})
    config = office.config
    concurrency.spawn(
        office.jobs.serve,
        office,
        crew_size=config.jobs_at_once,
        poll_seconds=config.poll_seconds,
        each_turn=lambda: turn(office),
    )
    verifier = Verifier.of(config.token_keys, config.identity_url, service_type="volumev3")
    return make_service(office, verifier)


def turn(office: Office) -> None:
    """What is looked after between jobs: schedules, and messages that are too old."""
    run_due(office)
    with office.catalogue.write() as connection:
        rows.drop(connection, messages, messages.c.expires_at < office.clock())


def _make_default_type(connection: Connection, office: Office) -> None:
    """Make the type that volumes get that name none, unless it is there."""
    name = office.config.default_type
    if rows.where(connection, types, types.c.name == name):
        return
    row = {
        "id": rows.new_id(),
        "name": name,
        "description": "Default Volume Type",
        "is_public": True,
        "extra_specs": {},
        "projects": [],
        "created_at": office.clock(),
    }
    rows.add(connection, types, row)
