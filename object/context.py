"""What every handler of the object server works with: settings, devices, engine, and the request's target.

request ──▶ Context.target() ──▶ Target: names, device, Location
                              └──▶ Refused, Unavailable (no such policy), Unusable (507)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..common.cluster import ClusterConf
from ..common.config import true_value
from ..common.constraints import check_object_name, is_valid_name
from ..common.errors import Refused, Unavailable
from ..common.http.request import Request
from ..common.policies import Policy
from .container_update import ContainerUpdates, Row
from .files.device import Devices
from .files.store import FileStore, Location
from .settings import ObjectSettings

_RESERVED = "\0"  # Opens the names that middleware keeps for itself inside accounts.


class Target(NamedTuple):
    """The object that a request is about."""

    account: str
    container: str
    obj: str
    policy: Policy
    location: Location

    @property
    def row(self) -> Row:
        """The row of this object in its container."""
        return Row(self.location.device_path, self.policy, self.account, self.container, self.obj)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one object server."""

    settings: ObjectSettings
    cluster: ClusterConf
    devices: Devices
    store: FileStore
    updates: ContainerUpdates
    allowed_keys: frozenset[str]  # As WSGI keeps them.
    allowed_names: frozenset[str]  # As metadata does, in lower case.
    _places: dict[str, tuple[Policy, str, str]] = field(default_factory=dict, repr=False)

    def policy(self, request: Request) -> Policy:
        """Return the policy that a request names; index 0 where it names none."""
        text = request.environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX") or "0"
        policy = self.cluster.policies.by_index(int(text)) if text.isdigit() else None
        if policy is None:
            raise Unavailable(f"No policy with index {text}")
        return policy

    def _place(self, request: Request) -> tuple[Policy, str, str]:
        """Return the policy and its folders on a device, worked out once for each."""
        text = request.environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX") or "0"
        place = self._places.get(text)
        if place is None:
            policy = self.policy(request)
            place = policy, policy.data_directory, policy.tmp_directory
            self._places[str(policy.index)] = place
        return place

    def target(self, request: Request) -> Target:
        """Return the object that a request is about, on a device that can be used."""
        return self._target(request, self.devices.locate)

    def target_to_read(self, request: Request) -> Target:
        """Do the same for a reader, who asks `target` should he find nothing: the device may be why."""
        return self._target(request, self.devices.locate_to_read)

    def _target(self, request: Request, locate: Callable[[str], tuple[str, int | None]]) -> Target:
        policy, data_directory, tmp_directory = self._place(request)
        path = request.path
        pieces = path.split("/", 5)
        if len(pieces) != 6 or pieces[0] or not all(pieces[1:]):
            raise Refused(f"Invalid path: {path}")
        _, device, partition, account, container, obj = pieces
        if not is_partition(partition):
            raise Refused(f"Invalid partition: {partition}")
        if not path.isascii() or "\0" in path:
            _check_names(account, container, obj)
        if len(obj) * 4 > self.cluster.constraints.max_object_name_length:
            check_object_name(obj, self.cluster.constraints)
        device_path, file_system = locate(device)
        path_hash = self.cluster.salt.path_hash(account, container, obj)
        folder = f"{device_path}/{data_directory}/{partition}/{path_hash[-3:]}/{path_hash}"
        name = path[len(device) + len(partition) + 2 :]
        location = Location(device_path, folder, f"{device_path}/{tmp_directory}", name, file_system)
        return Target(account, container, obj, policy, location)


def is_partition(text: str) -> bool:
    """Whether this is a partition's number as folders are called."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _check_names(account: str, container: str, obj: str) -> None:
    """Refuse names that are not UTF-8, and NUL but at the front of reserved names."""
    for name in (account, container, obj):
        bare = name[1:].replace(_RESERVED, "") if name.startswith(_RESERVED) else name
        if not is_valid_name(bare):
            raise Refused("Invalid UTF8 or contains NULL", 412)
    if account.startswith("."):
        return
    if container.startswith(_RESERVED) != obj.startswith(_RESERVED):
        raise Refused("A reserved name goes with a reserved container, and only with one")


def flag(request: Request, name: str) -> bool:
    """Whether a header, named as WSGI keeps it, says yes."""
    value = request.environ.get(name)
    return value is not None and true_value(value)
