"""The arithmetic of subnets, pools and free addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.compute.network import addresses
from apus.compute.network.addresses import Pool, Subnet

V4_SUBNETS = st.builds(
    lambda value, length: ipaddress.ip_network((value, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(20, 32),
)
V6_SUBNETS = st.builds(
    lambda value, length: ipaddress.ip_network((value, length), strict=False),
    st.integers(2**32, 2**128 - 1),
    st.integers(48, 128),
)
SUBNETS = st.one_of(V4_SUBNETS, V6_SUBNETS)


@given(SUBNETS, st.integers(0, 5000))
def test_pools_hold_every_hosts_address_but_the_gateway(subnet: Subnet, offset: int) -> None:
    """Default pools are inside the subnet, apart, without gateway and edges; with the gateway they are all there is."""
    gateway = subnet[offset % subnet.num_addresses]
    pools = addresses.default_pools(subnet, gateway)
    if subnet.num_addresses > 1:
        addresses.check_pools(subnet, pools, gateway)
    hosts = subnet.num_addresses - (2 if subnet.version == 4 else 1)
    if hosts > 1:
        is_host = addresses.can_be_a_hosts(subnet, gateway)
        assert sum(pool.size for pool in pools) == hosts - is_host
    for pool in pools:
        assert addresses.can_be_a_hosts(subnet, pool.start)
        assert addresses.can_be_a_hosts(subnet, pool.end)


@given(st.data(), V4_SUBNETS)
def test_the_lowest_free_address_is_what_a_search_finds(data: st.DataObject, subnet: Subnet) -> None:
    """lowest_free() agrees with looking at every address in turn; pools may come in any order."""
    pools = addresses.default_pools(subnet, addresses.default_gateway(subnet))
    everyone = [address for address in subnet if any(address in pool for pool in pools)][:40]
    taken = set(data.draw(st.lists(st.sampled_from(everyone)))) if everyone else set()
    found = addresses.lowest_free(data.draw(st.permutations(pools)), taken)
    searched = next((a for a in subnet if any(a in pool for pool in pools) and a not in taken), None)
    assert found == searched


def test_a_pool_gives_each_address_once_and_then_none() -> None:
    """Ten ports fill a pool of ten; the eleventh is told that there is none."""
    pools = [addresses.pool_of("10.0.0.20", "10.0.0.24"), addresses.pool_of("10.0.0.2", "10.0.0.6")]
    taken: set[addresses.Address] = set()
    for _ in range(10):
        found = addresses.lowest_free(pools, taken)
        assert found is not None
        assert found not in taken
        taken.add(found)
    assert addresses.lowest_free(pools, taken) is None
    assert str(min(taken, key=int)) == "10.0.0.2"


@given(st.lists(st.integers(22, 28), min_size=1, max_size=60))
def test_what_is_carved_from_a_pool_never_overlaps(lengths: list[int]) -> None:
    """Subnets of any lengths carved one after the other stay inside and apart, until no room is left."""
    prefixes = [ipaddress.ip_network("10.0.0.0/22"), ipaddress.ip_network("10.9.0.0/23")]
    taken: list[Subnet] = []
    for length in lengths:
        found = addresses.carve(prefixes, taken, length)
        if found is None:
            free = sum(p.num_addresses for p in prefixes) - sum(t.num_addresses for t in taken)
            assert free < sum(p.num_addresses for p in prefixes)
            continue
        assert found.prefixlen == length
        assert any(found.subnet_of(prefix) for prefix in prefixes)  # type: ignore[arg-type]
        assert not any(addresses.overlap(found, other) for other in taken)
        taken.append(found)


def test_equal_subnets_fill_a_pool_to_its_last_address() -> None:
    """A /22 holds four /24 and no fifth."""
    prefix = addresses.subnet_of("10.0.0.0/22")
    taken: list[Subnet] = []
    for _ in range(4):
        found = addresses.carve([prefix], taken, 24)
        assert found is not None
        taken.append(found)
    assert addresses.carve([prefix], taken, 24) is None


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "x/24", "", 7, None, "10.0.0.0/-1", "::/129"])
def test_what_is_no_subnet_is_refused(text: object) -> None:
    """Anything but a CIDR is refused with a sentence."""
    with pytest.raises(Refused):
        addresses.subnet_of(text)


def test_host_bits_are_refused_with_what_was_meant() -> None:
    """10.0.0.7/24 is no subnet, and the refusal names the one it lies in."""
    with pytest.raises(Refused, match=r"10\.0\.0\.0/24"):
        addresses.subnet_of("10.0.0.7/24")


@pytest.mark.parametrize(
    ("pools", "gateway", "status"),
    [
        ([("10.0.0.2", "10.0.1.4")], None, 400),
        ([("10.0.0.2", "10.0.0.9"), ("10.0.0.9", "10.0.0.12")], None, 409),
        ([("10.0.0.1", "10.0.0.9")], "10.0.0.1", 409),
        ([("10.0.0.9", "10.0.0.2")], None, 400),
        ([("10.0.0.9", "fd00::9")], None, 400),
    ],
)
def test_bad_pools_are_refused(pools: list[tuple[str, str]], gateway: str | None, status: int) -> None:
    """Pools outside the subnet, over each other, over the gateway or the wrong way round are refused."""
    subnet = addresses.subnet_of("10.0.0.0/24")
    with pytest.raises(Refused) as refused:
        addresses.check_pools(
            subnet,
            [addresses.pool_of(*pool) for pool in pools],
            addresses.address_of(gateway) if gateway else None,
        )
    assert refused.value.status == status


def test_a_hosts_own_ipv6_address_is_the_one_it_gives_itself() -> None:
    """The example of RFC 4291, appendix A, with the universal bit turned over."""
    subnet = addresses.subnet_of("2001:db8::/64")
    assert str(addresses.from_mac(subnet, "34:56:78:9a:bc:de")) == "2001:db8::3656:78ff:fe9a:bcde"
    assert str(addresses.link_local("fa:16:3e:00:00:01")) == "fe80::f816:3eff:fe00:1"


@given(st.integers(0, 2**64))
def test_a_mac_keeps_its_base(entropy: int) -> None:
    """A generated MAC is of the configured vendor, and no multicast address."""
    mac = addresses.mac_from("fa:16:3e:00:00:00", entropy)
    assert mac.startswith("fa:16:3e:")
    assert len(mac) == 17
    assert Pool(addresses.address_of("::1"), addresses.address_of("::2")).size == 2
