"""The laws of the search, add and change syntax: swift-ring-builder's, with every part optional in a search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.ring.device import Device, device_text
from apus.ring.search import (
    Match,
    add_options,
    change_options,
    match_options,
    normal_address,
    parse_add,
    parse_change,
    parse_search,
)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("d74", Match(id=74)),
        ("r4", Match(region=4)),
        ("z1", Match(zone=1)),
        ("z1-1.2.3.4", Match(zone=1, ip="1.2.3.4")),
        ("1.2.3.4", Match(ip="1.2.3.4")),
        ("-1.2.3.4", Match(ip="1.2.3.4")),
        ("z1:5678", Match(zone=1, port=5678)),
        (":5678", Match(port=5678)),
        ("R5.6.7.8", Match(replication_ip="5.6.7.8")),
        ("R:5678", Match(replication_port=5678)),
        ("1.2.3.4R5.6.7.8", Match(ip="1.2.3.4", replication_ip="5.6.7.8")),
        ("/sdb1", Match(device="sdb1")),
        ("_shiny", Match(meta="shiny")),
        ("_snet: 5.6.7.8", Match(meta="snet: 5.6.7.8")),
        ("[::1]", Match(ip="::1")),
        ("z1-[2001:DB8:0:0::1]:5678", Match(zone=1, ip="2001:db8::1", port=5678)),
        (
            "d74r4z1-1.2.3.4:5678R[::2]:6/sdb1_a_b",
            Match(74, 4, 1, "1.2.3.4", 5678, "::2", 6, "sdb1", None, "a_b"),
        ),
        ("", Match()),
    ],
)
def test_a_search_says_what_it_asks(text: str, match: Match) -> None:
    """Each part in its place, any of them left out."""
    assert parse_search(text) == match


@pytest.mark.parametrize(
    "text", ["nonsense", "d", "z1r1", "r1z", "1.2.3.4.5", "[::1", "z1-[zz]", ":x", "d1 ", "sdb1", "r1z1-host"]
)
def test_what_is_no_search_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Refused):
        parse_search(text)


names = st.text(st.characters(codec="utf-8", exclude_characters="_/"), min_size=1).filter(
    lambda name: name == name.strip(" ")
)


@given(
    region=st.integers(0, 99),
    zone=st.integers(0, 99),
    ip=st.ip_addresses().map(str),
    port=st.integers(1, 65535),
    replication_ip=st.ip_addresses().map(str),
    name=names,
    meta=st.text(),
)
def test_what_was_added_is_found(
    region: int, zone: int, ip: str, port: int, replication_ip: str, name: str, meta: str
) -> None:
    """The text that adds a device, with its id in front, is a search that matches it."""
    v4 = [f"[{address}]" if ":" in address else address for address in (ip, replication_ip)]
    text = f"r{region}z{zone}-{v4[0]}:{port}R{v4[1]}:{port}/{name}_{meta}"
    added, said_region = parse_add(text, 1.5)
    assert said_region
    assert (added.region, added.zone, added.port, added.device, added.meta) == (
        region,
        zone,
        port,
        name,
        meta,
    )
    assert parse_search(text).matches(added)
    assert not parse_search(f"d3{text}").matches(added)


def test_a_device_is_printed_as_it_is_searched() -> None:
    """But for the quotes around meta, which are a shell's."""
    device = Device(3, 1, 2, "::1", 6200, "10.0.0.1", 6300, "sda", 1.0, "fast")
    text = device_text(device)
    assert text == 'd3r1z2-[::1]:6200R10.0.0.1:6300/sda_"fast"'
    assert parse_search(text.replace('"', "")).matches(device)


def test_an_add_may_leave_out_region_replication_and_meta() -> None:
    """The region is 1 then, and replication uses the same address."""
    device, said_region = parse_add("z2-10.0.0.1:6200/sda", 7)
    assert not said_region
    assert device == Device(-1, 1, 2, "10.0.0.1", 6200, "10.0.0.1", 6200, "sda", 7.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r1",
        "r1z1",
        "r1z1-10.0.0.1/sda",
        "r1z1-10.0.0.1:x/sda",
        "r1z1-10.0.0.1:6200",
        "r1z1-10.0.0.1:6200/",
        "r1z1-10.0.0.1:6200/ sda",
        "z1-host:6200/sda",
        "r1z1-10.0.0.1:6200R10.0.0.2/sda",
    ],
)
def test_an_incomplete_add_is_refused(text: str) -> None:
    """Zone, address, port and name must be there."""
    with pytest.raises(Refused):
        parse_add(text, 1)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_is_a_share(weight: float) -> None:
    """Not negative, and a number."""
    with pytest.raises(Refused):
        parse_add("r1z1-10.0.0.1:6200/sda", weight)


def test_options_may_name_hosts() -> None:
    """Where texts take addresses only."""
    options = {"region": 1, "zone": 0, "ip": "Store-1.Example", "port": 6200, "device": "sda", "weight": 0.0}
    assert add_options(options).ip == "store-1.example"
    assert match_options({"ip": "STORE-1.example", "id": 0}) == Match(id=0, ip="store-1.example")
    for missing in options:
        with pytest.raises(Refused, match=missing):
            add_options(options | {missing: None})


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("1.2.3.4", {"ip": "1.2.3.4"}),
        (":80R:81", {"port": 80, "replication_port": 81}),
        ("R[::1]:81/sdb_x", {"replication_ip": "::1", "replication_port": 81, "device": "sdb", "meta": "x"}),
        ("_", {"meta": ""}),
    ],
)
def test_a_change_says_what_is_new(text: str, change: dict[str, object]) -> None:
    """Everything else stays."""
    assert parse_change(text) == change


@pytest.mark.parametrize("text", ["", "nonsense", "d1", "r2", "1.2.3.4 "])
def test_a_change_of_nothing_is_refused(text: str) -> None:
    """So is one of what set_info does not change."""
    with pytest.raises(Refused):
        parse_change(text)


def test_change_options_are_named_for_what_they_change() -> None:
    """Options that search are left alone."""
    options = {
        "ip": "10.0.0.1",
        "change_ip": "10.0.0.2",
        "change_port": None,
        "change_meta": "",
        "change_device": "x",
    }
    assert change_options(options) == {"ip": "10.0.0.2", "device": "x"}


@pytest.mark.parametrize("text", ["", "a..b", "-a", "a-", "a_b", "x" * 256, "a b"])
def test_an_address_is_an_address_or_a_host_name(text: str) -> None:
    """Anything else would fail much later."""
    with pytest.raises(Refused):
        normal_address(text)
