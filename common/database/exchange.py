"""The serving side of database replication: the REPLICATE verb, as stock Swift speaks it.

    ["sync", max_row, hash, id, …]       ──▶ our summary, and how far the caller's rows are here
    ["merge_items", rows, id]            ──▶ rows taken in
    ["merge_syncs", points]              ──▶ sync points taken in
    ["complete_rsync", id, name]         ──▶ a whole database that was laid into tmp/ gets its place
    ["rsync_then_merge", id, name]       ──▶ … and the rows that are here already

A database comes into tmp/ by stock's rsync or, between our own servers, as the body of a REPLICATE request
with the header X-Apus-Copy; every answer to `sync` carries that header to say so. All else is JSON: nothing
that a peer sends is ever executed or unpickled.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ..durability import fsync_directory
from ..errors import Corrupt, Missing, OutOfSpace, Refused
from ..hashing import storage_directory
from ..http.answer import Answer
from ..http.request import Request
from ..timestamp import Timestamp, now
from . import metadata, schema
from .lock import locked
from .replica import Item, Moments, Replica
from .service import json_of

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Replica)
Arguments = Sequence[Any]
COPY_HEADER = "X-Apus-Copy"
ACCEPTED = "accepted"
_IDENTITY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:+-]{0,255}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CHUNK_BYTES = 1 << 20
_SYNC_ARGUMENTS = ("point", "hash", "id", "created_at", "put_timestamp", "delete_timestamp", "metadata")
_POLICY_ARGUMENTS = ("status_changed_at", "count", "storage_policy_index")


class Exchange(Generic[R]):
    """Answers other replicas for the databases of one kind."""

    def __init__(self, datadir: str, open_broker: Callable[[str], R]) -> None:
        self._datadir = datadir
        self._open = open_broker
        self._operations: dict[str, Callable[[R, Arguments], Answer]] = {
            "sync": self._sync,
            "merge_items": self._merge_items,
            "merge_syncs": self._merge_syncs,
            "get_shard_ranges": self._no_shard_ranges,
        }

    def answer(self, device: str, partition: str, path_hash: str, request: Request) -> Answer:
        """Do what a peer asks of one database."""
        if not _HASH.fullmatch(path_hash):
            raise Refused(f"not the hash of a name: {path_hash!r}")
        path = os.path.join(
            device, storage_directory(self._datadir, int(partition), path_hash), f"{path_hash}.db"
        )
        identity = request.header(COPY_HEADER)
        if identity is not None:
            return self._receive(device, _identity(identity), request)
        call = json_of(request)
        if not isinstance(call, list) or not call or not isinstance(call[0], str):
            raise Refused("expected a JSON list that begins with an operation's name")
        operation, *arguments = call
        try:
            return self._dispatch(operation, arguments, device, path)
        except (LookupError, TypeError, ValueError) as problem:
            raise Refused(f"malformed arguments of {operation}: {problem}") from problem

    def take_over(self, broker: R, theirs: Item) -> None:
        """Take over what a peer knows better than we do, before we tell it our summary."""

    def _dispatch(self, operation: str, arguments: Arguments, device: str, path: str) -> Answer:
        if operation == "complete_rsync":
            return self._complete(device, path, arguments)
        if operation == "rsync_then_merge":
            return self._merge_file(device, path, arguments)
        work = self._operations.get(operation)
        if work is None:
            raise Refused(f"unknown operation {operation!r}", 501)
        os.makedirs(os.path.join(device, "tmp"), exist_ok=True)  # A whole copy may be the next to come.
        try:
            return work(self._open(path), arguments)
        except (Missing, Corrupt):
            return Answer(404, {COPY_HEADER: ACCEPTED})

    def _sync(self, broker: R, arguments: Arguments) -> Answer:
        theirs = dict(zip(_SYNC_ARGUMENTS, arguments[:7], strict=True))
        moments, items = moments_of(theirs), _metadata_of(theirs)
        if len(arguments) >= 10:
            theirs |= dict(zip(_POLICY_ARGUMENTS, arguments[7:10], strict=True))
        self.take_over(broker, theirs)
        ours = broker.replication_info()
        if items:
            broker.merge_metadata(items)
        if moments != moments_of(ours):
            broker.merge_moments(moments, now=now())
        point = broker.sync_point(str(theirs["id"]), incoming=True)
        if theirs["hash"] == ours["hash"] and point < int(theirs["point"]):
            point = int(theirs["point"])
            broker.merge_sync_points([{"remote_id": theirs["id"], "sync_point": point}])
        body = json.dumps({**ours, "point": point}).encode()
        return Answer(200, {"Content-Type": "application/json", COPY_HEADER: ACCEPTED}, body)

    def _merge_items(self, broker: R, arguments: Arguments) -> Answer:
        items, source = arguments[:2]
        broker.merge_items(items, str(source))
        return Answer(202)

    def _merge_syncs(self, broker: R, arguments: Arguments) -> Answer:
        broker.merge_sync_points(arguments[0])
        return Answer(202)

    def _no_shard_ranges(self, broker: R, arguments: Arguments) -> Answer:
        del broker, arguments
        return Answer(200, {"Content-Type": "application/json"}, b"[]")

    def _receive(self, device: str, identity: str, request: Request) -> Answer:
        """Lay the body, a whole database, into tmp/ under the sender's identity."""
        folder = os.path.join(device, "tmp")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, identity)
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, schema.FILE_MODE), "wb") as handle:
                while chunk := request.body.read(_CHUNK_BYTES):
                    handle.write(chunk)
        except OSError as problem:
            os.unlink(path)
            raise OutOfSpace(f"{path}: {problem.strerror}") from problem
        except BaseException:
            os.unlink(path)
            raise
        return Answer(201)

    def _complete(self, device: str, path: str, arguments: Arguments) -> Answer:
        """Give the copy in tmp/ its place, where there is no database yet."""
        identity = self._arrived(device, path, arguments)
        copy = self._open(os.path.join(device, "tmp", identity))
        if self._open(path).exists() or not copy.exists():
            return Answer(404)
        copy.become_new(identity, path=path)
        copy.close()
        schema.make_folders(os.path.dirname(path))
        with locked(os.path.dirname(path), timeout_seconds=schema.LOCK_SECONDS):
            if os.path.exists(path):
                return Answer(404)
            os.rename(copy.path, path)
            fsync_directory(os.path.dirname(path))
        return Answer(204)

    def _merge_file(self, device: str, path: str, arguments: Arguments) -> Answer:
        """Put the copy in tmp/ in the place of what is here, with all that is here in it."""
        identity = self._arrived(device, path, arguments)
        copy, ours = self._open(os.path.join(device, "tmp", identity)), self._open(path)
        if not ours.exists() or not copy.exists():
            return Answer(404)
        summary = ours.replication_info()
        copy.become_new(identity, path=path)
        copy.merge_moments(moments_of(summary), now=now())
        ours.give_way_to(copy)
        return Answer(204)

    def _arrived(self, device: str, path: str, arguments: Arguments) -> str:
        """Return the identity under which a copy lies in tmp/; only plain database names are taken."""
        del device
        name = arguments[1] if len(arguments) > 1 else os.path.basename(path)
        if name != os.path.basename(path):
            raise Refused(f"no such form of a database here: {name!r}", 501)
        return _identity(arguments[0])


def moments_of(info: Item) -> Moments:
    """Return the timestamps in a summary; raise Refused when one is malformed, for it would win for ever."""
    created_at, put, delete = (str(info[key]) for key in ("created_at", "put_timestamp", "delete_timestamp"))
    try:
        for text in (created_at, put, delete):
            Timestamp.parse(text)
    except ValueError as problem:
        raise Refused(str(problem)) from problem
    return Moments(created_at=created_at, put_timestamp=put, delete_timestamp=delete)


def _metadata_of(info: Item) -> metadata.Metadata:
    """Return the metadata in a peer's summary; that theirs is unreadable says nothing of ours."""
    try:
        return metadata.read(info["metadata"])
    except Corrupt as problem:
        raise Refused(str(problem)) from problem


def _identity(text: object) -> str:
    if not isinstance(text, str) or not _IDENTITY.fullmatch(text):
        raise Refused(f"not the identity of a database: {text!r}")
    return text
