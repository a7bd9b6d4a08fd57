"""Run by stock Swift's own Python: its diskfile as an oracle for ours. Reads one JSON request, prints JSON.

{"do": "select", "folders": [[names…]…]}            ──▶ [{"chosen": …, "obsolete": …}…]
{"do": "read", "devices": …, "names": […]}          ──▶ [{"metadata", "body"} or {"absent"}…]
{"do": "write", "devices": …, "objects": […]}       ──▶ []
{"do": "hashes", "devices": …}                      ──▶ {suffix: hash}
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
from typing import Any

from swift.common import utils  # type: ignore[import-not-found]
from swift.common.storage_policy import POLICIES  # type: ignore[import-not-found]
from swift.obj import diskfile  # type: ignore[import-not-found]

utils.HASH_PATH_PREFIX = utils.HASH_PATH_SUFFIX = b"changeme"
KEYS = ("data_file", "meta_file", "ts_file", "ctype_file")


def manager(devices: str) -> Any:
    """Stock's engine over a folder of devices."""
    conf = {
        "devices": devices,
        "mount_check": "false",
        "fallocate_reserve": "0",
        "reclaim_age": "1000000000000",
    }
    return diskfile.DiskFileManager(conf, logging.getLogger())


def opened(engine: Any, name: str) -> Any:
    """The diskfile of /a/c/NAME in partition 7."""
    return engine.get_diskfile("sda", "7", "a", "c", name, POLICIES[0])


def select(request: dict[str, Any]) -> list[Any]:
    """What stock makes of folders, by names."""
    answers = []
    for names in request["folders"]:
        found = manager("/").get_ondisk_files(sorted(names, reverse=True), "/x", verify=False)
        answers.append(
            {
                "chosen": sorted({os.path.basename(found[key]) for key in KEYS if found.get(key)}),
                "obsolete": sorted({info["filename"] for info in found.get("obsolete", [])}),
            }
        )
    return answers


def read(request: dict[str, Any]) -> list[Any]:
    """Objects as stock reads them, checksums and all."""
    engine, answers = manager(request["devices"]), []
    for name in request["names"]:
        try:
            with opened(engine, name).open() as found:
                body = b"".join(found.reader())
                answers.append({"metadata": found.get_metadata(), "body": base64.b64encode(body).decode()})
        except diskfile.DiskFileNotExist as absent:
            moment = getattr(absent, "timestamp", None)
            answers.append({"absent": moment.internal if moment else None})
    return answers


def write(request: dict[str, Any]) -> list[Any]:
    """Objects as stock writes them: data, then metadata, or a tombstone."""
    engine = manager(request["devices"])
    for one in request["objects"]:
        file, body = opened(engine, one["name"]), base64.b64decode(one["body"])
        with file.create(size=len(body)) as writer:
            writer.write(body)
            _, etag = writer.chunks_finished()
            writer.put({**one["data"], "ETag": etag, "Content-Length": str(len(body))})
        if one.get("meta"):
            file.write_metadata(one["meta"])
        if one.get("deleted"):
            file.delete(utils.Timestamp(one["deleted"]))
    return []


def hashes(request: dict[str, Any]) -> Any:
    """Suffix hashes as stock computes them, from nothing."""
    return manager(request["devices"])._get_hashes("sda", "7", POLICIES[0])[1]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(
        {"select": select, "read": read, "write": write, "hashes": hashes}[asked["do"]](asked), sys.stdout
    )
