"""The container server: containers and the rows of their objects, over HTTP as stock Swift's.

    /device/partition/account/container          PUT GET HEAD POST DELETE
    /device/partition/account/container/object   PUT DELETE: a row, acknowledged when it outlives a power loss
    /gathered-rows                               UPDATE: such rows of many objects, a status for each
    /device/partition/hash                       REPLICATE
    GET                                          a listing as text, JSON or XML, with X-Backend-Row-Hash

Each handler reads like its verb's contract; rules are in rows, policy_choice and the broker.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from ..common import gathered_rows, listing_format, logs
from ..common.cluster import ClusterConf
from ..common.cluster_secret import credentials
from ..common.config import true_value
from ..common.database import metadata
from ..common.database.exchange import Exchange
from ..common.database.listing import Query
from ..common.database.replica import Item
from ..common.database.service import (
    AUTO_CREATE_PREFIX,
    RESERVED,
    DatabaseService,
    body_of,
    flag,
    json_of,
    limit,
    object_in,
    parameter,
    saved_metadata,
    translated,
    wire_headers,
)
from ..common.database.shelf import Shelf
from ..common.errors import ApusError, Missing, OutOfSpace, Refused
from ..common.gathered_rows import MESSAGE_BYTES_MAX, STATUSES, TAKEN, TAKEN_HEADER, Told
from ..common.hashing import storage_directory
from ..common.http.answer import Answer
from ..common.http.client import Pool, PoolConfig
from ..common.http.request import Request
from ..common.http.wsgi import WSGIApp, from_wsgi
from ..common.timestamp import Timestamp, now
from . import account_update, gathered, headers, listing, row_request, sync_links
from .broker import ContainerBroker, ContainerInfo, PolicyConflict, claim_of
from .policy_choice import theirs_is_better
from .rows import ObjectRow, moments_of
from .sync_target import SyncTargets

log = logging.getLogger(__name__)
T = TypeVar("T")

DATADIR = "containers"
SHARDS_PREFIX = ".shards_"
PLACES_MAX = 4096  # Containers whose place is remembered; a few hundred bytes each.


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one container's objects are kept."""

    device_path: str
    path: str
    device: str
    account: str
    container: str


class ContainerServer(DatabaseService):
    """Serves the containers of one node."""

    kind: ClassVar = "container"
    verbs: ClassVar = {
        "PUT": "put",
        "GET": "get",
        "HEAD": "head",
        "POST": "post",
        "DELETE": "delete",
        "REPLICATE": "replicate",
        "UPDATE": "update",
    }

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        super().__init__(options, cluster)
        settings = self.settings
        self._shelf = Shelf(
            lambda path: ContainerBroker(path, lock_seconds=settings.lock_timeout),
            capacity=settings.open_databases,
        )
        self._places: dict[str, Place] = {}
        self._exchange = ContainerExchange(DATADIR, self._shelf.take)
        self._sync_targets = SyncTargets.from_options(options, settings.swift_dir)
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
            ),
            default_headers=credentials(self.cluster.secret),
        )

    # Rows of objects.

    def put(self, request: Request) -> Answer:
        """Make or update a container, or keep an object's row."""
        if name := object_in(request.path):
            self._keep(request, *self._row(request, name, self._has_room))
            return Answer(201, {TAKEN_HEADER: TAKEN})
        device, partition, account, container = self.placement(request, 4, 4)
        timestamp = request.timestamp()
        self._sync_targets.check(request.header("X-Container-Sync-To"))
        broker = self._broker(self.device(str(device), writing=True), partition, account, container)
        return self._put_container(request, broker, str(account), str(container), timestamp)

    def delete(self, request: Request) -> Answer:
        """Delete an empty container, or keep the tombstone of an object's row."""
        if name := object_in(request.path):
            self._keep(request, *self._row(request, name, self._has_room))
            return Answer(204, {TAKEN_HEADER: TAKEN})
        device, partition, account, container = self.placement(request, 4, 4)
        timestamp = request.timestamp()
        broker = self._broker(self.device(str(device), writing=False), partition, account, container)
        return self._delete_container(request, broker, timestamp)

    def _row(self, request: Request, name: str, has_room: Callable[[str], bool]) -> tuple[Place, ObjectRow]:
        """Return what a request says of an object's row, and where that belongs; there is room for it."""
        place = self._place(request, name)
        policy_index = self.policy_index(request) or 0
        if request.method == "DELETE":
            return place, row_request.removed(request, name, policy_index)
        if not has_room(place.device_path):
            raise OutOfSpace(f"{place.device_path} is full")
        return place, row_request.reported(request, name, policy_index)

    def _place(self, request: Request, name: str) -> Place:
        """Return where an object's row belongs; all that stands before the name is judged but once."""
        start = request.path.removesuffix(name)
        place = self._places.get(start)
        if place is not None and name.isprintable():
            return place
        device, partition, account, container, _ = map(str, self.placement(request, 5, 5))
        path = self._path(self.device(device, writing=False), partition, account, container)
        place = Place(os.path.join(self.settings.devices, device), path, device, account, container)
        if RESERVED not in start:
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            self._places[start] = place
        return place

    def _keep(self, request: Request, place: Place, row: ObjectRow) -> None:
        broker = self._shelf.take(place.path)
        try:
            broker.put_object(row)
        except Missing:
            self.device(place.device, writing=not row.deleted)
            timestamp = moments_of(row.created_at)[0]
            self._make_for_rows(request, broker, place.account, place.container, timestamp, row.policy_index)
            broker.put_object(row)

    def _keep_gathered(self, request: Request) -> Answer:
        """Keep rows that an object server has gathered, each as if it had come alone."""
        rows = gathered_rows.told(body_of(request, MESSAGE_BYTES_MAX))
        rooms, brokers = _Asked(self._has_room), _Asked(self._shelf.take)
        statuses = gathered.keep([self._judged(told, rooms, brokers) for told in rows])
        if self.settings.log_requests:
            for told, status in zip(rows, statuses, strict=True):
                logs.transaction_id.set(told.transaction_id or "-")
                log.info("row", extra={"method": told.verb, "path": from_wsgi(told.path), "status": status})
        return Answer(200, {STATUSES: gathered_rows.statuses_line(statuses)})

    def _judged(self, told: Told, rooms: _Asked[bool], brokers: _Asked[ContainerBroker]) -> gathered.Judged:
        """Return what is to be kept of a row, and where, or the status by which it is refused."""
        found = self._plain_row(told, rooms)
        if found is None:
            logs.transaction_id.set(told.transaction_id or "-")
            try:
                request = Request(told.environ())
                found = self._row(request, object_in(request.path), rooms.__getitem__)
            except ApusError as problem:
                return translated(problem).status
        place, row = found
        return brokers[place.path], row

    def _plain_row(self, told: Told, rooms: _Asked[bool]) -> tuple[Place, ObjectRow] | None:
        """Return what `_row` would of a row such as nearly all are; None where that has to be asked."""
        path = told.path
        name = object_in(path)
        place = self._places.get(path[: -len(name)])
        policy_index = self._policy_indexes.get(told.policy_index or "")
        if place is None or policy_index is None or not path.isascii() or not path.isprintable():
            return None
        if told.verb == "PUT" and not rooms[place.device_path]:
            return None
        row = row_request.plain(told, name, policy_index)
        return None if row is None else (place, row)

    def _make_for_rows(
        self,
        request: Request,
        broker: ContainerBroker,
        account: str,
        container: str,
        timestamp: Timestamp,
        policy_index: int | None,
    ) -> None:
        """Make a container for its first rows where that is right: for the cluster's own accounts."""
        if not _auto_created(request, account):
            raise Missing("there is no such container")
        if policy_index is None:
            raise Refused("X-Backend-Storage-Policy-Index header is required")
        broker.initialize(
            account, container, put_timestamp=timestamp.normal, policy_index=policy_index, now=now()
        )

    # Containers.

    def _put_container(
        self, request: Request, broker: ContainerBroker, account: str, container: str, timestamp: Timestamp
    ) -> Answer:
        required = self.policy_index(request)
        policy_index = self._new_policy(request) if required is None else required
        created = not broker.exists() and broker.initialize(
            account, container, put_timestamp=timestamp.internal, policy_index=policy_index, now=now()
        )
        if not created:
            try:
                created = broker.put_again(
                    timestamp.internal, policy_index=policy_index, required_policy=required
                )
            except PolicyConflict as problem:
                policy = {"X-Backend-Storage-Policy-Index": str(problem.policy_index)}
                return Answer.text(409, str(problem), policy)
        self._keep_metadata(request, broker, timestamp)
        info = broker.info()
        policy = {"X-Backend-Storage-Policy-Index": str(info.storage_policy_index)}
        if not self._tell_account(request, info):
            return Answer(404)
        return Answer(201 if created else 202, policy)

    def _delete_container(self, request: Request, broker: ContainerBroker, timestamp: Timestamp) -> Answer:
        if not broker.exists():
            return Answer(404)
        if not broker.is_empty():
            return Answer.text(409, "There was a conflict when trying to complete your request.")
        before = broker.info()
        existed = Timestamp.parse(before.put_timestamp).ticks > 0 and not before.deleted
        broker.delete(timestamp.internal)
        info = broker.info()
        if not info.deleted:
            return Answer.text(409, "the container was made, or got an object, after this deletion")
        sync_links.keep(broker.path, wanted=False)
        if not self._tell_account(request, info):
            return Answer(404)
        return Answer(204 if existed else 404)

    def post(self, request: Request) -> Answer:
        """Change a container's metadata."""
        device, partition, account, container = self.placement(request, 4, 4)
        timestamp = request.timestamp()
        self._sync_targets.check(request.header("X-Container-Sync-To"))
        broker = self._broker(self.device(str(device), writing=True), partition, account, container)
        if broker.is_deleted():
            return Answer(404)
        if not flag(request, "X-Backend-No-Timestamp-Update"):
            broker.touch(timestamp.internal)
        self._keep_metadata(request, broker, timestamp)
        return Answer(204)

    def _keep_metadata(self, request: Request, broker: ContainerBroker, timestamp: Timestamp) -> None:
        items = saved_metadata(request, headers.is_kept, timestamp)
        if not items:
            return
        if "X-Container-Sync-To" in items:
            known = broker.metadata().get("X-Container-Sync-To", ("", ""))
            if known[0] != items["X-Container-Sync-To"][0]:
                broker.set_client_sync_points(-1, -1)
        broker.merge_metadata(items, lambda merged: metadata.check(merged, self.cluster.constraints))
        if sync_links.concerns(items):
            sync_links.follow(broker.path, broker.metadata())

    def _tell_account(self, request: Request, info: ContainerInfo) -> bool:
        servers = account_update.named_in(request)
        if not servers:
            return True
        override = (request.header("X-Account-Override-Deleted") or "no").lower() == "yes"
        report = account_update.report_headers(info, override_deleted=override)
        report["X-Trans-Id"] = request.header("X-Trans-Id") or "-"
        return account_update.tell(self._pool, servers, info, report)

    def _new_policy(self, request: Request) -> int:
        text = request.header("X-Backend-Storage-Policy-Default") or ""
        return int(text) if text.isascii() and text.isdigit() else self.cluster.policies.default.index

    # Reading.

    def head(self, request: Request) -> Answer:
        """Tell of a container."""
        device, partition, account, container = self.placement(request, 4, 4)
        kind = listing_format.negotiated(parameter(request, "format"), request.header("Accept"))
        broker = self._broker(self.device(str(device), writing=False), partition, account, container)
        info, items = self._summary(broker)
        answer_headers = headers.backend_headers(info, deleted=info is None or info.deleted)
        if info is None or info.deleted:
            return Answer(404, answer_headers)
        answer_headers |= wire_headers(metadata.visible(items))
        answer_headers |= {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": "0"}
        return Answer(204, answer_headers)

    def get(self, request: Request) -> Answer:
        """List a container's objects."""
        device, partition, account, container = self.placement(request, 4, 4)
        query = self._query(request)
        kind = listing_format.negotiated(parameter(request, "format"), request.header("Accept"))
        required = self.policy_index(request)
        broker = self._broker(self.device(str(device), writing=False), partition, account, container)
        info, items = self._summary(broker)
        answer_headers = headers.backend_headers(info, deleted=info is None or info.deleted)
        if info is None or info.deleted:
            return Answer(404, answer_headers)
        policy_index = info.storage_policy_index if required is None else required
        answer_headers |= wire_headers(metadata.visible(items))
        answer_headers |= {
            "X-Backend-Record-Type": "object",
            "X-Backend-Record-Storage-Policy-Index": str(policy_index),
            "Content-Type": f"{kind}; charset=utf-8",
        }
        if request.header("X-Backend-Record-Type", "") == "shard":
            return Answer(200, answer_headers | {"X-Backend-Record-Type": "shard"}, b"[]")
        if flag(request, "X-Backend-Include-Deleted"):
            body = _body(kind, info, listing.full_entries(broker.full_listing(query, policy_index)))
        elif kind == listing_format.JSON:
            body = broker.json_listing(query, policy_index, expected=info.object_count)
        else:
            rows = broker.listing(query, policy_index, expected=info.object_count)
            body = _body(kind, info, listing.entries(rows))
        return Answer(200 if body else 204, answer_headers, body)

    def _query(self, request: Request) -> Query:
        return Query(
            limit=limit(request, self.cluster.constraints.container_listing_limit),
            marker=parameter(request, "marker"),
            end_marker=parameter(request, "end_marker"),
            prefix=parameter(request, "prefix"),
            delimiter=parameter(request, "delimiter"),
            path=parameter(request, "path") if "path" in request.query else None,
            reverse=true_value(parameter(request, "reverse")),
            reserved=flag(request, "X-Backend-Allow-Reserved-Names"),
        )

    @staticmethod
    def _summary(broker: ContainerBroker) -> tuple[ContainerInfo | None, metadata.Metadata]:
        try:
            return broker.summary()
        except Missing:
            return None, {}

    # Replication.

    def replicate(self, request: Request) -> Answer:
        """Answer another replica."""
        device, partition, path_hash = self.placement(request, 3, 3)
        path = self.device(str(device), writing=True)
        return self._exchange.answer(path, str(partition), str(path_hash), request)

    def update(self, request: Request) -> Answer:
        """Take in rows that somebody else has gathered: an object server, or in a replicator's form."""
        if request.path == gathered_rows.PATH:
            return self._keep_gathered(request)
        device, partition, account, container = self.placement(request, 4, 4)
        timestamp = request.timestamp()
        policy_index = self.policy_index(request)
        broker = self._broker(self.device(str(device), writing=True), partition, account, container)
        if not broker.exists():
            self._make_for_rows(request, broker, str(account), str(container), timestamp, policy_index)
        items = json_of(request)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Refused("expected a JSON list of rows")
        try:
            broker.merge_items(items)
        except (LookupError, TypeError, ValueError) as problem:
            raise Refused(f"malformed rows: {problem}") from problem
        return Answer(202)

    def _broker(
        self, device_path: str, partition: str | None, account: str | None, container: str | None
    ) -> ContainerBroker:
        return self._shelf.take(self._path(device_path, str(partition), str(account), str(container)))

    def _path(self, device_path: str, partition: str, account: str, container: str) -> str:
        path_hash = self.cluster.salt.path_hash(account, container)
        folder = storage_directory(DATADIR, int(partition), path_hash)
        return os.path.join(device_path, folder, f"{path_hash}.db")


class _Asked(dict[str, T]):
    """What was asked during one request, so that it is asked but once for all its rows."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[str], T]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, key: str) -> T:
        """Ask, and remember."""
        answer = self[key] = self._ask(key)
        return answer


class ContainerExchange(Exchange[ContainerBroker]):
    """Replication that also agrees on the container's storage policy."""

    def take_over(self, broker: ContainerBroker, theirs: Item) -> None:
        """Take over the peer's policy when it has the better claim."""
        claim = claim_of(theirs)
        if claim is not None and theirs_is_better(broker.info().claim, claim):
            broker.set_policy(claim.policy_index, now().internal)


def app_factory(global_options: Mapping[str, str], **options: str) -> WSGIApp:
    """Make the server, for PasteDeploy."""
    return ContainerServer({**global_options, **options})


def _auto_created(request: Request, account: str) -> bool:
    """Whether a container that is not there is made for its first row: the cluster's own accounts' are."""
    explicit = request.header("X-Backend-Auto-Create")
    if explicit:
        return true_value(explicit)
    return account.startswith(AUTO_CREATE_PREFIX) and not account.startswith(SHARDS_PREFIX)


def _body(kind: str, info: ContainerInfo, entries: list[listing.Entry]) -> bytes:
    if kind == listing_format.JSON:
        return listing_format.json_body(entries)
    if kind == listing_format.TEXT:
        return listing_format.text_body(entries)
    return listing_format.xml_container(info.container, entries)
