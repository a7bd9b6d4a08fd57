"""Which host gets a server."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.compute.server.scheduling import (
    FILTERS,
    WEIGHERS,
    Aggregate,
    HostState,
    NoValidHost,
    Wanted,
    choose,
    filters_named,
    weighers_named,
)

EVERY_FILTER = filters_named(FILTERS)
EVERY_WEIGHER = weighers_named(WEIGHERS)
HOSTS = st.lists(
    st.builds(
        HostState,
        name=st.text("abc", min_size=1, max_size=3),
        up=st.booleans(),
        enabled=st.booleans(),
        vcpus=st.integers(1, 8),
        vcpus_used=st.integers(0, 20),
        memory_mib=st.integers(64, 4096),
        memory_mib_used=st.integers(0, 4096),
        disk_gib=st.integers(1, 40),
    ),
    max_size=6,
    unique_by=lambda host: host.name,
)
WANTED = st.builds(
    Wanted, vcpus=st.integers(1, 4), memory_mib=st.integers(1, 2048), disk_gib=st.integers(0, 10)
)


def chosen(hosts: list[HostState], wanted: Wanted) -> str:
    return choose(hosts, wanted, EVERY_FILTER, EVERY_WEIGHER).name


@given(HOSTS, WANTED)
def test_who_is_chosen_passes_every_filter(hosts: list[HostState], wanted: Wanted) -> None:
    """The chosen host passes all filters; none is chosen only where none passes; order does not matter."""
    passing = [host for host in hosts if all(passes(host, wanted) for _, passes in EVERY_FILTER)]
    try:
        best = choose(hosts, wanted, EVERY_FILTER, EVERY_WEIGHER)
    except NoValidHost as problem:
        assert not passing
        assert str(problem).startswith("No valid host was found.")  # noqa: PT017
        return
    assert best in passing
    assert choose(hosts[::-1], wanted, EVERY_FILTER, EVERY_WEIGHER) == best


def test_the_emptiest_host_is_preferred() -> None:
    """Servers spread over hosts that are alike."""
    full = HostState(name="a", memory_mib_used=512)
    assert chosen([full, HostState(name="b")], Wanted()) == "b"


def test_an_affinity_group_stays_together_and_an_anti_affinity_group_apart() -> None:
    """Group policies bind; the soft ones only prefer."""
    hosts = [HostState(name="a"), HostState(name="b")]
    assert chosen(hosts, Wanted(group_policy="affinity", group_hosts=("b",))) == "b"
    assert chosen(hosts, Wanted(group_policy="anti-affinity", group_hosts=("a",))) == "b"
    with pytest.raises(NoValidHost, match="ServerGroupAntiAffinityFilter"):
        chosen(hosts, Wanted(group_policy="anti-affinity", group_hosts=("a", "b")))
    twice = Wanted(group_policy="anti-affinity", group_hosts=("a", "b"), group_max_per_host=2)
    assert chosen(hosts, twice) == "a"
    assert chosen(hosts, Wanted(group_policy="soft-affinity", group_hosts=("b",))) == "b"
    assert chosen(hosts, Wanted(group_policy="soft-anti-affinity", group_hosts=("a",))) == "b"


def test_zones_hints_and_named_hosts_bind() -> None:
    """A zone, a host by name, and the hints same_host and different_host are obeyed."""
    a = HostState(name="a", zone="north", servers=frozenset({"s1"}))
    b = HostState(name="b", zone="south")
    assert chosen([a, b], Wanted(zone="south")) == "b"
    assert chosen([a, b], Wanted(host="a")) == "a"
    assert chosen([a, b], Wanted(same_host=frozenset({"s1"}))) == "a"
    assert chosen([a, b], Wanted(different_host=frozenset({"s1"}))) == "b"
    assert chosen([a, b], Wanted(avoided_hosts=frozenset({"a"}))) == "b"


def test_aggregates_keep_hosts_for_flavors_and_projects() -> None:
    """`aggregate_instance_extra_specs:` asks for an aggregate's fact; filter_tenant_id keeps others out."""
    fast = Aggregate(name="fast", metadata={"ssd": "true"})
    kept = Aggregate(name="kept", metadata={"filter_tenant_id": "p1,p2"})
    hosts = [HostState(name="a", aggregates=(kept,)), HostState(name="b", aggregates=(fast,))]
    specs = {"aggregate_instance_extra_specs:ssd": "true", "hw:cpu_policy": "shared"}
    assert chosen(hosts, Wanted(extra_specs=specs)) == "b"
    assert chosen(hosts, Wanted(project_id="p3")) == "b"
    only_kept = [hosts[0]]
    assert chosen(only_kept, Wanted(project_id="p2")) == "a"


def test_a_machine_larger_than_the_host_is_never_packed_by_the_ratio() -> None:
    """A ratio lets machines share processors, it does not make one machine larger than its host."""
    host = HostState(name="a", vcpus=2, cpu_allocation_ratio=0.5)
    with pytest.raises(NoValidHost):
        chosen([host], Wanted(vcpus=2))
    assert chosen([dataclasses.replace(host, cpu_allocation_ratio=1.0)], Wanted(vcpus=2)) == "a"


def test_filters_and_weighers_come_by_name() -> None:
    """A name of ours, or module:function; an unknown one stops the service at its start."""
    assert filters_named(["apus.compute.server.scheduling:has_disk"])[0][1] is FILTERS["DiskFilter"]
    assert weighers_named(["CPUWeigher=0.5"])[0] == (0.5, WEIGHERS["CPUWeigher"])
    with pytest.raises(Refused, match="NoSuchFilter"):
        filters_named(["NoSuchFilter"])
    with pytest.raises(Refused, match="no number"):
        weighers_named(["CPUWeigher=x"])
