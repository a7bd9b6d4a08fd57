"""Which host gets a server: filters say which may, weighers say which is best.

    hosts, what is asked ──▶ choose(…, filters, weighers) ──▶ the host, or NoValidHost with what each filter
    left

A filter is a function (host, request) → bool, a weigher a function (host, request) → float; both are named
in the
configuration: by a name of the tables below or as `package.module:function`. Values only: no catalogue, no
clock;
ties are broken by the host's name, so that the same question has the same answer.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...common.errors import ApusError, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A named set of hosts with facts of their own; `availability_zone` is one of them."""

    name: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """One host as the scheduler sees it; sizes in MiB and GiB, `…_used` counts what is promised."""

    name: str
    up: bool = True
    enabled: bool = True
    vcpus: int = 1
    vcpus_used: int = 0
    memory_mib: int = 1024
    memory_mib_used: int = 0
    disk_gib: int = 10
    disk_gib_used: int = 0
    cpu_allocation_ratio: float = 4.0
    memory_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    building: int = 0
    servers: frozenset[str] = frozenset()
    zone: str = "nova"
    architecture: str = "x86_64"
    hypervisor_type: str = "QEMU"
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a server asks of a host."""

    vcpus: int = 1
    memory_mib: int = 64
    disk_gib: int = 0
    zone: str | None = None
    host: str | None = None
    avoided_hosts: frozenset[str] = frozenset()
    project_id: str = ""
    image_properties: Mapping[str, str] = field(default_factory=dict)
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    same_host: frozenset[str] = frozenset()
    different_host: frozenset[str] = frozenset()
    group_policy: str | None = None
    group_hosts: tuple[str, ...] = ()
    group_max_per_host: int = 1


class NoValidHost(ApusError):
    """No host may take the server; the sentence is the fault that its owner reads."""


Filter = Callable[[HostState, Wanted], float]  # Zero, or False, is no.
Weigher = Callable[[HostState, Wanted], float]


def is_serving(host: HostState, wanted: Wanted) -> bool:
    """Whether the host's agent is heard from and nobody has disabled it."""
    del wanted
    return host.up and host.enabled


def has_processors(host: HostState, wanted: Wanted) -> bool:
    """Whether the processors, counted with the allocation ratio, suffice."""
    fits_at_all = wanted.vcpus <= host.vcpus * max(host.cpu_allocation_ratio, 1.0)
    return fits_at_all and host.vcpus_used + wanted.vcpus <= host.vcpus * host.cpu_allocation_ratio


def has_memory(host: HostState, wanted: Wanted) -> bool:
    """Whether the memory suffices."""
    return host.memory_mib_used + wanted.memory_mib <= host.memory_mib * host.memory_allocation_ratio


def has_disk(host: HostState, wanted: Wanted) -> bool:
    """Whether the host's disk, that keeps what its servers have written, suffices."""
    return host.disk_gib_used + wanted.disk_gib <= host.disk_gib * host.disk_allocation_ratio


def is_in_zone(host: HostState, wanted: Wanted) -> bool:
    """Whether the host is in the availability zone that was asked for."""
    return wanted.zone is None or wanted.zone == host.zone


def is_asked_for(host: HostState, wanted: Wanted) -> bool:
    """Whether it is the very host that an administrator named, and none that has failed already."""
    return host.name not in wanted.avoided_hosts and wanted.host in (None, host.name)


def matches_image(host: HostState, wanted: Wanted) -> bool:
    """Whether the host runs what the image was made for (hw_architecture, img_hv_type)."""
    architecture = wanted.image_properties.get("hw_architecture") or host.architecture
    hypervisor = wanted.image_properties.get("img_hv_type") or host.hypervisor_type
    return architecture == host.architecture and hypervisor.lower() in (host.hypervisor_type.lower(), "kvm")


def matches_aggregate_specs(host: HostState, wanted: Wanted) -> bool:
    """Whether the host's aggregates have what the flavor's `aggregate_instance_extra_specs:` asks."""
    prefix = "aggregate_instance_extra_specs:"
    for key, value in wanted.extra_specs.items():
        if not key.startswith(prefix):
            continue
        found = {aggregate.metadata.get(key.removeprefix(prefix)) for aggregate in host.aggregates}
        if value not in found:
            return False
    return True


def is_open_to_project(host: HostState, wanted: Wanted) -> bool:
    """Whether no aggregate of the host is kept for other projects by `filter_tenant_id`."""
    kept = {
        project.strip()
        for aggregate in host.aggregates
        for key, value in aggregate.metadata.items()
        if key.startswith("filter_tenant_id")
        for project in value.split(",")
    }
    return not kept or wanted.project_id in kept


def is_beside(host: HostState, wanted: Wanted) -> bool:
    """Whether one of the servers in the hint `same_host` is on it."""
    return not wanted.same_host or bool(wanted.same_host & host.servers)


def is_apart(host: HostState, wanted: Wanted) -> bool:
    """Whether none of the servers in the hint `different_host` is on it."""
    return not wanted.different_host & host.servers


def keeps_group_together(host: HostState, wanted: Wanted) -> bool:
    """Whether a group of the policy `affinity` stays on one host."""
    return wanted.group_policy != "affinity" or not wanted.group_hosts or host.name in wanted.group_hosts


def keeps_group_apart(host: HostState, wanted: Wanted) -> bool:
    """Whether a group of the policy `anti-affinity` keeps to `max_server_per_host` on each."""
    if wanted.group_policy != "anti-affinity":
        return True
    return wanted.group_hosts.count(host.name) < wanted.group_max_per_host


def free_memory(host: HostState, wanted: Wanted) -> float:
    """Prefer the host with most memory left, as a share of its own."""
    del wanted
    return 1 - host.memory_mib_used / max(1.0, host.memory_mib * host.memory_allocation_ratio)


def free_processors(host: HostState, wanted: Wanted) -> float:
    """Prefer the host with most processors left."""
    del wanted
    return 1 - host.vcpus_used / max(1.0, host.vcpus * host.cpu_allocation_ratio)


def free_disk(host: HostState, wanted: Wanted) -> float:
    """Prefer the host with most disk left."""
    del wanted
    return 1 - host.disk_gib_used / max(1.0, host.disk_gib * host.disk_allocation_ratio)


def few_builds(host: HostState, wanted: Wanted) -> float:
    """Prefer the host that has fewest servers under way."""
    del wanted
    return -float(host.building)


def soft_affinity(host: HostState, wanted: Wanted) -> float:
    """Prefer, for a group of that policy, the host with most of the group."""
    return float(wanted.group_hosts.count(host.name)) if wanted.group_policy == "soft-affinity" else 0.0


def soft_anti_affinity(host: HostState, wanted: Wanted) -> float:
    """Prefer, for a group of that policy, the host with fewest of the group."""
    return -float(wanted.group_hosts.count(host.name)) if wanted.group_policy == "soft-anti-affinity" else 0.0


FILTERS: dict[str, Filter] = {
    "ComputeFilter": is_serving,
    "CoreFilter": has_processors,
    "RamFilter": has_memory,
    "DiskFilter": has_disk,
    "AvailabilityZoneFilter": is_in_zone,
    "HostFilter": is_asked_for,
    "ImagePropertiesFilter": matches_image,
    "AggregateInstanceExtraSpecsFilter": matches_aggregate_specs,
    "AggregateMultiTenancyIsolation": is_open_to_project,
    "SameHostFilter": is_beside,
    "DifferentHostFilter": is_apart,
    "ServerGroupAffinityFilter": keeps_group_together,
    "ServerGroupAntiAffinityFilter": keeps_group_apart,
}
WEIGHERS: dict[str, Weigher] = {
    "RAMWeigher": free_memory,
    "CPUWeigher": free_processors,
    "DiskWeigher": free_disk,
    "BuildsWeigher": few_builds,
    "ServerGroupSoftAffinityWeigher": soft_affinity,
    "ServerGroupSoftAntiAffinityWeigher": soft_anti_affinity,
}


def filters_named(names: Iterable[str]) -> tuple[tuple[str, Filter], ...]:
    """Return the filters of these names, in order; raise Refused for an unknown one."""
    return tuple((name, FILTERS[name] if name in FILTERS else _imported(name)) for name in names)


def weighers_named(words: Iterable[str]) -> tuple[tuple[float, Weigher], ...]:
    """Return (multiplier, weigher) for words like `RAMWeigher` and `CPUWeigher=0.5`."""
    found: list[tuple[float, Weigher]] = []
    for word in words:
        name, _, factor = word.partition("=")
        try:
            multiplier = float(factor or 1)
        except ValueError as problem:
            raise Refused(f"weigher {word!r}: {factor!r} is no number") from problem
        found.append((multiplier, WEIGHERS[name] if name in WEIGHERS else _imported(name)))
    return tuple(found)


def _imported(name: str) -> Callable[[HostState, Wanted], float]:
    module, _, attribute = name.partition(":")
    try:
        function: Callable[[HostState, Wanted], float] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise Refused(f"there is no filter or weigher {name!r}") from problem
    return function


def choose(
    hosts: Sequence[HostState],
    wanted: Wanted,
    filters: Sequence[tuple[str, Filter]],
    weighers: Sequence[tuple[float, Weigher]],
) -> HostState:
    """Return the best of the hosts that every filter lets pass; weights are scaled to 0…1 before they add up.

    Raises:
        NoValidHost: when none passes; it names the filter that took the last ones away.
    """
    left = list(hosts)
    for name, passes in filters:
        survivors = [host for host in left if passes(host, wanted)]
        if not survivors:
            raise NoValidHost(
                "No valid host was found. There are not enough hosts available "
                f"({name} took the last {len(left)} of {len(hosts)})."
            )
        left = survivors
    if not left:
        raise NoValidHost("No valid host was found. There are not enough hosts available (no host at all).")
    totals = dict.fromkeys((host.name for host in left), 0.0)
    for multiplier, weigher in weighers:
        weights = [weigher(host, wanted) for host in left]
        low, high = min(weights), max(weights)
        for host, weight in zip(left, weights, strict=True):
            totals[host.name] += multiplier * ((weight - low) / (high - low) if high > low else 0.0)
    return min(left, key=lambda host: (-totals[host.name], host.name))
