"""The laws of knowing oneself in a ring."""

from __future__ import annotations

from apus.ring.device import Device
from apus.ring.mine import is_mine, machine_addresses


def device(ip: str, port: int) -> Device:
    return Device(0, 1, 1, "10.9.9.9", 1, ip, port, "sd0")


def test_the_replication_address_decides() -> None:
    """The address for clients may be another, and the port tells servers of one machine apart."""
    assert is_mine(device("10.0.0.1", 6200), {"10.0.0.1"}, 6200)
    assert not is_mine(device("10.0.0.1", 6200), {"10.0.0.1"}, 6201)
    assert not is_mine(device("10.0.0.2", 6200), {"10.0.0.1"}, 6200)
    assert is_mine(device("10.0.0.1", 6200), {"10.0.0.1"}, None)


def test_an_address_has_one_meaning_in_any_writing() -> None:
    """IPv6 addresses are compared as addresses."""
    assert is_mine(device("2001:DB8:0::1", 6200), {"2001:db8::1"}, 6200)


def test_every_machine_has_its_loopback() -> None:
    """The system is asked, not the name service."""
    assert "127.0.0.1" in machine_addresses()
