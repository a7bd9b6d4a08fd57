"""Where a thing is: a partition's devices, and the commands with which an operator looks there.

    Target, ring ──▶ described() ──▶ lines: partition and hash, devices, curl, ssh

The lines are those of swift-get-nodes, which people paste into shells. Nothing is asked over the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote

from ...common.hashing import storage_directory
from ..device import Device, bracketed
from ..table import Ring

LEGACY_POLICY = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked for: a name by its parts, or a partition alone."""

    names: tuple[str, ...]
    path_hash: str | None
    partition: int
    folder: str
    policy_index: int | None = None


def folder_of(ring_name: str, names: Sequence[str]) -> str:
    """Return the folder on a device that holds such a thing: accounts, containers, objects or objects-N."""
    if len(names) in (1, 2):
        return ("accounts", "containers")[len(names) - 1]
    stem, _, index = ring_name.partition("-")
    if names or stem == "object":
        return f"objects-{index}" if index else "objects"
    return f"{stem}s"


def described(ring: Ring, target: Target, *, all_handoffs: bool) -> Iterator[str]:
    """Yield the lines that say where the target is; as many handoffs as primaries unless all are wanted."""
    primaries = ring.primaries(target.partition)
    handoffs = list(islice(ring.handoffs(target.partition), None if all_handoffs else len(primaries)))
    marked = [(device, "") for device in primaries] + [(device, " # [Handoff]") for device in handoffs]
    for title, name in zip(("Account  ", "Container", "Object   "), target.names, strict=False):
        yield f"{title}\t{quote(name)}"
    yield f"Partition\t{target.partition}"
    yield f"Hash     \t{target.path_hash}"
    yield ""
    for device, mark in marked:
        where = f"{device.ip}:{device.port} {device.device}"
        yield f"Server:Port Device\t{where}" + ("\t [Handoff]" if mark else "")
    yield ""
    for device, mark in marked:
        yield _curl(device, target) + mark
    yield ""
    yield "Where your devices are not mounted under /srv/node, say so: export DEVICE=/srv/node"
    for device, mark in marked:
        yield f'ssh {device.ip} "ls -lah ${{DEVICE:-/srv/node*}}/{device.device}/{_directory(target)}"{mark}'


def _directory(target: Target) -> str:
    if target.path_hash is None:
        return f"{target.folder}/{target.partition}"
    return storage_directory(target.folder, target.partition, target.path_hash)


def _curl(device: Device, target: Target) -> str:
    path = quote("/".join(target.names)) if target.names else "None"
    url = f"http://{bracketed(device.ip)}:{device.port}/{device.device}/{target.partition}/{path}"
    command = f'curl -g -I -XHEAD "{url}"'
    if target.policy_index is not None:
        command += f' -H "X-Backend-Storage-Policy-Index: {target.policy_index}"'
    return command + " --path-as-is"
