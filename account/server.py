"""The account server: accounts and what their containers report, over HTTP as stock Swift's.

/device/partition/account              PUT GET HEAD POST DELETE
/device/partition/account/container    PUT: a container's report, acknowledged when it survives a power loss
/device/partition/hash                 REPLICATE
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from ..common import listing_format
from ..common.cluster import ClusterConf
from ..common.config import true_value
from ..common.database import metadata
from ..common.database.exchange import Exchange
from ..common.database.listing import Query, Subdir
from ..common.database.service import (
    AUTO_CREATE_PREFIX,
    DatabaseService,
    flag,
    limit,
    parameter,
    saved_metadata,
    wire_headers,
)
from ..common.database.shelf import Shelf
from ..common.errors import Missing, Refused
from ..common.hashing import storage_directory
from ..common.http.answer import Answer
from ..common.http.request import Request
from ..common.http.wsgi import WSGIApp
from ..common.timestamp import Timestamp, now
from .broker import AccountBroker, AccountInfo, ListedRow
from .rows import ContainerRow, reported

DATADIR = "accounts"
_PREFIXES = ("x-account-meta-", "x-account-sysmeta-")


class AccountServer(DatabaseService):
    """Serves the accounts of one node."""

    kind: ClassVar = "account"
    verbs: ClassVar = {
        "PUT": "put",
        "GET": "get",
        "HEAD": "head",
        "POST": "post",
        "DELETE": "delete",
        "REPLICATE": "replicate",
    }

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        super().__init__(options, cluster)
        lock_seconds = self.settings.lock_timeout
        self._shelf = Shelf(
            lambda path: AccountBroker(path, lock_seconds=lock_seconds), capacity=self.settings.open_databases
        )
        self._exchange = Exchange(DATADIR, self._shelf.take)

    def put(self, request: Request) -> Answer:
        """Make or renew an account, or keep a container's report."""
        device, partition, account, container = self.placement(request, 3, 4)
        broker = self._broker(self.device(str(device), writing=True), partition, account)
        if container is not None:
            return self._put_container(request, broker, str(account), container)
        timestamp = request.timestamp()
        if broker.exists() and broker.info().marked_deleted:
            return Answer.text(403, "Recently deleted", {"X-Account-Status": "Deleted"})
        created = not broker.exists() and broker.initialize(
            str(account), put_timestamp=timestamp.internal, now=now()
        )
        if not created:
            broker.touch(timestamp.internal)
        self._keep_metadata(request, broker, timestamp)
        return Answer(201 if created else 202)

    def _put_container(self, request: Request, broker: AccountBroker, account: str, container: str) -> Answer:
        row = _row_of(request, container)
        if not broker.exists() and account.startswith(AUTO_CREATE_PREFIX):
            moment = request.timestamp() if request.header("X-Timestamp") else now()
            broker.initialize(account, put_timestamp=moment.internal, now=now())
        override = (request.header("X-Account-Override-Deleted") or "no").lower() == "yes"
        if not broker.exists() or (not override and broker.is_deleted()):
            return Answer(404)
        broker.put_container(row)
        return Answer(204 if row.delete_timestamp > row.put_timestamp else 201)

    def post(self, request: Request) -> Answer:
        """Change an account's metadata."""
        device, partition, account = self.placement(request, 3, 3)
        timestamp = request.timestamp()
        broker = self._broker(self.device(str(device), writing=True), partition, account)
        info = self._info(broker)
        if info is None or info.deleted:
            return _gone(info)
        self._keep_metadata(request, broker, timestamp)
        return Answer(204)

    def delete(self, request: Request) -> Answer:
        """Mark an account deleted; the reaper does the rest."""
        device, partition, account = self.placement(request, 3, 3)
        broker = self._broker(self.device(str(device), writing=False), partition, account)
        timestamp = request.timestamp()
        info = self._info(broker)
        if info is None or info.deleted:
            return _gone(info)
        broker.delete(timestamp.internal)
        return Answer(204, {"X-Account-Status": "Deleted"})

    def head(self, request: Request) -> Answer:
        """Tell of an account."""
        device, partition, account = self.placement(request, 3, 3)
        kind = listing_format.negotiated(parameter(request, "format"), request.header("Accept"))
        broker = self._broker(self.device(str(device), writing=False), partition, account)
        info, headers = self._told(broker)
        if info is None or info.deleted:
            return _gone(info)
        return Answer(204, headers | {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": "0"})

    def get(self, request: Request) -> Answer:
        """List an account's containers."""
        device, partition, account = self.placement(request, 3, 3)
        query = self._query(request)
        kind = listing_format.negotiated(parameter(request, "format"), request.header("Accept"))
        broker = self._broker(self.device(str(device), writing=False), partition, account)
        info, headers = self._told(broker)
        if info is None or info.deleted:
            return _gone(info)
        headers["Content-Type"] = f"{kind}; charset=utf-8"
        rows = broker.listing(query, expected=info.container_count)
        entries = [self._entry(row) for row in rows]
        if kind == listing_format.JSON:
            return Answer(200, headers, listing_format.json_body(entries))
        if kind == listing_format.TEXT:
            return Answer(200 if entries else 204, headers, listing_format.text_body(entries))
        return Answer(200, headers, listing_format.xml_account(str(account), entries))

    def replicate(self, request: Request) -> Answer:
        """Answer another replica."""
        device, partition, path_hash = self.placement(request, 3, 3)
        path = self.device(str(device), writing=True)
        return self._exchange.answer(path, str(partition), str(path_hash), request)

    def _query(self, request: Request) -> Query:
        return Query(
            limit=limit(request, self.cluster.constraints.account_listing_limit),
            marker=parameter(request, "marker"),
            end_marker=parameter(request, "end_marker"),
            prefix=parameter(request, "prefix"),
            delimiter=parameter(request, "delimiter"),
            reverse=true_value(parameter(request, "reverse")),
            reserved=flag(request, "X-Backend-Allow-Reserved-Names"),
        )

    def _entry(self, row: ListedRow | Subdir) -> dict[str, object]:
        """Return what clients see of one container."""
        if isinstance(row, Subdir):
            return {"subdir": row.name}
        name, object_count, bytes_used, put_timestamp, policy_index = row
        entry = {
            "name": name,
            "count": object_count,
            "bytes": bytes_used,
            "last_modified": Timestamp.parse(put_timestamp).isoformat,
        }
        policy = self.cluster.policies.by_index(policy_index)
        return entry if policy is None else entry | {"storage_policy": policy.name}

    def _told(self, broker: AccountBroker) -> tuple[AccountInfo | None, dict[str, str]]:
        """Return the account's summary, None where there is none, and the headers that tell of it."""
        try:
            info, policies, items = broker.summary()
        except Missing:
            return None, {}
        headers = {
            "X-Account-Container-Count": str(info.container_count),
            "X-Account-Object-Count": str(info.object_count),
            "X-Account-Bytes-Used": str(info.bytes_used),
            "X-Timestamp": Timestamp.parse(info.created_at).normal,
            "X-PUT-Timestamp": Timestamp.parse(info.put_timestamp).normal,
            "X-Backend-Row-Hash": info.hash,
        }
        for index, stat in policies.items():
            policy = self.cluster.policies.by_index(index)
            if policy is not None:
                prefix = f"X-Account-Storage-Policy-{policy.name}"
                headers[f"{prefix}-Container-Count"] = str(stat.container_count)
                headers[f"{prefix}-Object-Count"] = str(stat.object_count)
                headers[f"{prefix}-Bytes-Used"] = str(stat.bytes_used)
        return info, headers | wire_headers(metadata.visible(items))

    def _keep_metadata(self, request: Request, broker: AccountBroker, timestamp: Timestamp) -> None:
        items = saved_metadata(request, _is_kept, timestamp)
        if items:
            broker.merge_metadata(items, lambda merged: metadata.check(merged, self.cluster.constraints))

    @staticmethod
    def _info(broker: AccountBroker) -> AccountInfo | None:
        try:
            return broker.info()
        except Missing:
            return None

    def _broker(self, device_path: str, partition: str | None, account: str | None) -> AccountBroker:
        path_hash = self.cluster.salt.path_hash(str(account))
        folder = storage_directory(DATADIR, int(str(partition)), path_hash)
        return self._shelf.take(os.path.join(device_path, folder, f"{path_hash}.db"))


def app_factory(global_options: Mapping[str, str], **options: str) -> WSGIApp:
    """Make the server, for PasteDeploy."""
    return AccountServer({**global_options, **options})


def _is_kept(name: str) -> bool:
    return any(name.startswith(prefix) and name != prefix for prefix in _PREFIXES)


def _gone(info: AccountInfo | None) -> Answer:
    """Return 404, and whether it was there once."""
    return Answer(404, {"X-Account-Status": "Deleted"} if info is not None and info.marked_deleted else {})


def _row_of(request: Request, container: str) -> ContainerRow:
    names = ("X-Put-Timestamp", "X-Delete-Timestamp", "X-Object-Count", "X-Bytes-Used")
    put, delete, count, size = (request.header(name) for name in names)
    if put is None or delete is None or count is None or size is None:
        raise Refused(f"{', '.join(names)} are needed")
    try:
        return reported(
            container,
            put_timestamp=put,
            delete_timestamp=delete,
            object_count=int(count),
            bytes_used=int(size),
            policy_index=int(request.header("X-Backend-Storage-Policy-Index") or 0),
        )
    except ValueError as problem:
        raise Refused(f"malformed report: {problem}") from problem
