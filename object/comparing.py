"""REPLICATE: what replicas tell each other about a partition.

/device/partition                ──▶ {suffix: hash}, pickled as stock Swift's replicators read it
/device/partition/suf-suf-…      ──▶ those suffixes are marked for rehashing
… with X-Apus-Inventory: true    ──▶ {suffix: {hash: moments}} as JSON, for our own replicators
"""

from __future__ import annotations

import time

import orjson

from ..common import restricted_pickle
from ..common.concurrency import in_native_thread
from ..common.errors import Refused
from ..common.http.answer import Answer
from ..common.http.request import Request
from .context import Context, flag, is_partition
from .files import hashes


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
    if flag(request, "HTTP_X_APUS_INVENTORY"):
        found = in_native_thread(hashes.inventory, device_path, policy.index, partition, suffixes)
        return Answer(200, {"Content-Type": "application/json"}, orjson.dumps(found))
    answer: dict[str, str] | None = None
    if suffixes:
        for suffix in suffixes:
            hashes.invalidate(f"{device_path}/{policy.data_directory}/{partition}/{suffix}")
    else:
        answer = in_native_thread(
            hashes.suffix_hashes,
            device_path,
            policy.index,
            partition,
            reclaim_age_seconds=context.settings.reclaim_age,
            now=time.time(),
        )
    kind = {"Content-Type": "application/octet-stream"}
    return Answer(200, kind, restricted_pickle.dumps(answer))
