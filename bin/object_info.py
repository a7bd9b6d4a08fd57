"""`apus-object-info [options] OBJECT_FILE`: what one file of an object says, and whether it is sound.

.data, .meta, .ts ──▶ metadata, ETag checked over the whole body, where it belongs ──▶ lines
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence

import xattr

from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.errors import ApusError, Missing
from ..object.files import metadata
from .inspection.placement import place_lines
from .inspection.told import object_lines

_FOLDER = re.compile(r"/objects(?:-(\d+))?/\d+/[0-9a-f]{3}/[0-9a-f]{32}/", re.ASCII)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the file says."""
    parser = argparse.ArgumentParser(prog="apus-object-info", description="Show one file of an object.")
    parser.add_argument("file", metavar="OBJECT_FILE")
    parser.add_argument(
        "-n", "--no-check-etag", dest="check_etag", action="store_false", help="do not read the body"
    )
    parser.add_argument("-d", "--swift-dir", default=DEFAULT_DIRECTORY, help="folder of swift.conf and rings")
    parser.add_argument("--drop-prefixes", action="store_true", help="shorten the names of metadata")
    parser.add_argument(
        "--attributes",
        action="store_true",
        help="also show the extended attributes and their sizes",
    )
    parser.add_argument("-P", "--policy-name", help="storage policy, where the path does not tell it")
    options = parser.parse_args(argv)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # names may be any bytes
    try:
        for line in _lines(options):
            print(line)
    except (ApusError, OSError) as problem:
        print(f"apus-object-info: {problem}", file=sys.stderr)
        return 1
    return 0


def _lines(options: argparse.Namespace) -> Iterator[str]:
    path = os.path.abspath(options.file)
    if not os.path.exists(path):
        raise Missing("Data file doesn't exist")
    stored = metadata.read(path)
    etag, length = stored.pop("ETag", ""), stored.pop("Content-Length", "")
    names = tuple(stored.get("name", "").lstrip("/").split("/", 2))
    cluster = _cluster(options.swift_dir)
    path_hash = cluster.salt.path_hash(*names) if cluster and len(names) == 3 else None
    yield from object_lines(stored, path_hash, drop_prefixes=options.drop_prefixes)
    if path.endswith(".data"):
        yield from _soundness(path, etag, length, check_etag=options.check_etag)
    if options.attributes:
        yield from _attributes(path)
    if cluster and path_hash:
        yield from place_lines(
            options.swift_dir, _ring_name(path, options.policy_name, cluster), names, path_hash
        )


def _soundness(path: str, etag: str, length: str, *, check_etag: bool) -> Iterator[str]:
    if not check_etag:
        yield f"ETag: {etag} (not checked)"
    elif not etag:
        yield "ETag: Not found in metadata"
    else:
        with open(path, "rb") as handle:
            found = hashlib.file_digest(handle, "md5").hexdigest()
        yield (
            f"ETag: {etag} (valid)" if found == etag else f"ETag: {etag} doesn't match file hash of {found}!"
        )
    size = os.path.getsize(path)
    if not length:
        yield "Content-Length: Not found in metadata"
    elif length == str(size):
        yield f"Content-Length: {length} (valid)"
    else:
        yield f"Content-Length: {length} doesn't match file length of {size}"


def _attributes(path: str) -> Iterator[str]:
    """Yield what the file system keeps for the file: ext4 gives all of a file's attributes one block."""
    for name, value in sorted(xattr.xattr(path).items()):
        yield f"Attribute: {name} ({len(value)} bytes)"


def _ring_name(path: str, policy_name: str | None, cluster: ClusterConf) -> str:
    match = _FOLDER.search(path)
    if match is not None:
        return f"object-{match[1]}" if match[1] else "object"
    policy = cluster.policies.by_name(policy_name) if policy_name else cluster.policies.by_index(0)
    if policy is None:
        raise Missing(f"there is no storage policy {policy_name}")
    return policy.ring_name


def _cluster(folder: str) -> ClusterConf | None:
    try:
        return ClusterConf.load(folder)
    except ApusError:
        return None


if __name__ == "__main__":
    sys.exit(main())
