"""What the catalogue says of servers, flavors and hosts, as values.

a row of `tables.py` ──▶ Server.of(row) ──▶ .standing, .status, …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .scheduling import Wanted
from .states import Power, Standing, Task, VmState, status_of


class _Record:
    """A value whose fields are a table's columns."""

    __slots__ = ()

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return the row as a value."""
        return cls(**row._mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(_Record):
    """One server, as it is and as it shall be."""

    id: str
    project_id: str
    user_id: str
    name: str
    description: str | None
    hostname: str
    vm_state: str
    task_state: str | None
    task: Mapping[str, Any]
    power_state: int
    locked_by: str | None
    locked_reason: str | None
    host: str | None
    zone: str | None
    pinned_zone: str | None
    image_id: str
    image_properties: Mapping[str, Any]
    flavor: Mapping[str, Any]
    before_resize: Mapping[str, Any] | None
    key_name: str | None
    public_key: str | None
    user_data: str | None
    admin_password: str | None
    files: list[list[str]]
    config_drive: bool
    disk_config: str | None  # AUTO or MANUAL; None is MANUAL.
    metadata: dict[str, str]
    tags: list[str]
    access_ipv4: str
    access_ipv6: str
    security_groups: list[str]
    requested_networks: Any
    hints: Mapping[str, Any]
    group_id: str | None
    launch_index: int
    reservation_id: str
    map_id: str | None
    shelved_image: str | None  # The picture that shelving made, until the server runs from a disk of its own.
    fault: Mapping[str, Any] | None
    created_at: float
    updated_at: float
    launched_at: float | None
    terminated_at: float | None

    @property
    def standing(self) -> Standing:
        """Where it stands, as `states.py` judges it."""
        task = Task(self.task_state) if self.task_state else None
        return Standing(VmState(self.vm_state), task, Power(self.power_state), bool(self.locked_by))

    @property
    def status(self) -> str:
        """The word that clients poll."""
        return status_of(self.standing.vm, self.standing.task)

    @property
    def instance_name(self) -> str:
        """The hypervisor's name for it."""
        return f"instance-{self.id}"

    def wanted(self, **more: Any) -> Wanted:
        """What it asks of a host."""
        return wanted_of(self.flavor, self.project_id, self.image_properties, **more)


def wanted_of(
    flavor: Mapping[str, Any], project_id: str, image_properties: Mapping[str, Any], **more: Any
) -> Wanted:
    """What a flavor and an image ask of a host."""
    return Wanted(
        vcpus=flavor["vcpus"],
        memory_mib=flavor["ram"],
        disk_gib=flavor["disk"] + flavor["ephemeral"],
        project_id=project_id,
        extra_specs=flavor["extra_specs"],
        image_properties={name: str(value) for name, value in image_properties.items()},
        **more,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDevice(_Record):
    """One disk of a server: a volume, or (source `image` or `blank` without a volume) the server's own."""

    id: str
    server_id: str
    position: int
    device: str
    boot_index: int | None
    source: str
    source_id: str | None
    size_gib: int | None
    volume_type: str | None
    volume_id: str | None
    attachment_id: str | None
    connection: Mapping[str, Any] | None
    state: str  # wanted, attaching, attached, detaching
    tag: str | None
    delete_on_termination: bool
    created_at: float

    @property
    def is_volume(self) -> bool:
        """Whether the disk is the volume service's."""
        return self.source in ("volume", "snapshot") or self.volume_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(_Record):
    """One port of a server."""

    port_id: str
    server_id: str
    position: int
    network_id: str
    network_name: str
    mac: str
    addresses: list[dict[str, Any]]
    vif: Mapping[str, Any]
    tag: str | None
    ours: bool  # made for the server, and removed with it
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor(_Record):
    """One size of servers; memory and swap in MiB, disks in GiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int
    rxtx_factor: float
    is_public: bool
    description: str | None
    extra_specs: dict[str, str]
    projects: list[str]

    def picture(self) -> dict[str, Any]:
        """What a server keeps of it: later changes of the flavor do not change the server."""
        return {
            "id": self.id,
            "name": self.name,
            "vcpus": self.vcpus,
            "ram": self.ram,
            "disk": self.disk,
            "ephemeral": self.ephemeral,
            "swap": self.swap,
            "extra_specs": dict(self.extra_specs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(_Record):
    """One host and its agent."""

    name: str
    service_id: str
    hypervisor_id: str
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    heard_at: float
    updated_at: float
    sequence: int
    resources: Mapping[str, Any]

    def is_up(self, now: float, silence_seconds: float) -> bool:
        """Whether its agent is heard from."""
        return not self.forced_down and now - self.heard_at <= silence_seconds
