"""REPLICATE: what replicas tell each other about a partition.

/device/partition                ──▶ {suffix: hash}, pickled as stock Swift's replicators read it
… with X-Apus-Brings             ──▶ the same, once nobody else is about to bring it: `expected`
/device/partition/suf-suf-…      ──▶ those suffixes are marked for rehashing
… with X-Apus-Inventory: true    ──▶ {suffix: {hash: moments}} of those suffixes, as JSON
… with X-Apus-Inventory: all     ──▶ the same of every suffix in the partition
/device/0 with … partitions      ──▶ [partition, …] of the whole device
… with X-Apus-Parcel             ──▶ many small objects are stored: `receiving`

An inventory can make a peer let go of its copies. So none is given of a partition that our own replicator
is just now letting go of: two handoffs that take each other for the primary must not both believe it.
"""

from __future__ import annotations

import os
import time

import orjson

from ..common import restricted_pickle
from ..common.concurrency import in_native_thread
from ..common.errors import Refused, Unavailable
from ..common.http.answer import Answer
from ..common.http.request import Request
from . import parcel
from .context import Context, is_partition
from .expected import await_or_expect
from .files import hashes
from .files.arrival import Place
from .files.locks import is_locked
from .receiving import receive


def replicate(context: Context, request: Request) -> Answer:
    """Answer a REPLICATE."""
    policy = context.policy(request)
    pieces = request.path.rstrip("/").split("/")
    if len(pieces) not in (3, 4) or not is_partition(pieces[2]):
        raise Refused(f"Invalid path: {request.path}")
    device_path, partition = context.devices.path(pieces[1]), pieces[2]
    suffixes = (
        [suffix for suffix in pieces[3].split("-") if hashes.is_suffix(suffix)] if len(pieces) == 4 else []
    )
    asked = request.environ.get("HTTP_X_APUS_INVENTORY")
    if asked == "partitions":
        return _json(_partitions(f"{device_path}/{policy.data_directory}"))
    if asked:
        directory = f"{device_path}/{policy.data_directory}/{partition}"
        if asked == "all":
            suffixes = _suffixes(directory)
        if is_locked(directory, "replication"):
            raise Unavailable("the partition is being handed over")
        return _json(in_native_thread(hashes.inventory, device_path, policy.index, partition, suffixes))
    if request.header(parcel.HEADER):
        return receive(
            context, request, Place(device_path, policy.data_directory, policy.tmp_directory, partition)
        )
    answer: dict[str, str] | None = None
    if suffixes:
        for suffix in suffixes:
            hashes.invalidate(f"{device_path}/{policy.data_directory}/{partition}/{suffix}")
    else:
        if request.header(parcel.BRINGER_HEADER):
            await_or_expect(f"{device_path}/{policy.data_directory}/{partition}")
        answer = in_native_thread(
            hashes.suffix_hashes,
            device_path,
            policy.index,
            partition,
            reclaim_age_seconds=context.settings.reclaim_age,
            now=time.time(),
        )
    kind = {"Content-Type": "application/octet-stream", parcel.TAKEN_HEADER: parcel.TAKEN}
    return Answer(200, kind, restricted_pickle.dumps(answer))


def _json(found: object) -> Answer:
    kind = {"Content-Type": "application/json", parcel.TAKEN_HEADER: parcel.TAKEN}
    return Answer(200, kind, orjson.dumps(found))


def _partitions(folder: str) -> list[int]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    return sorted(int(entry.name) for entry in entries if is_partition(entry.name) and entry.is_dir())


def _suffixes(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if hashes.is_suffix(name)]
    except FileNotFoundError:
        return []
