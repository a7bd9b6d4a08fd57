"""What is on the host: devices, addresses, routes and tables, as `ip`, `bridge` and `nft` tell it.

observe(spaces) ──ip -j, bridge -j, nft──▶ Observed
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

import orjson

from ....common.errors import Unavailable
from .steps import EVERYBODY, HOST, Link, Observed
from .translation import TABLE

TIMEOUT_SECONDS = 60.0


def observe(spaces: Iterable[str], table: str = TABLE) -> Observed:
    """Look at the host's own namespace, where our tables have this name, and at those of these that exist.

    Raises:
        Unavailable: one of the programs is missing, or fails.
    """
    existing = {each["name"] for each in _json("ip", "-j", "netns", "list")}
    looked_at = [HOST, *sorted(existing & set(spaces))]
    links: dict[tuple[str, str], Link] = {}
    routes: dict[str, frozenset[tuple[str, str]]] = {}
    tables: set[tuple[str, str]] = set()
    for space in looked_at:
        at = ("-n", space) if space else ()
        for each in _json("ip", *at, "-j", "address", "show"):
            link = link_of(each)
            links[space, link.name] = link
        if space:
            found = _json("ip", *at, "-j", "route", "show", "proto", "static")
            found += _json("ip", *at, "-6", "-j", "route", "show", "proto", "static")
            routes[space] = frozenset((each["dst"], each["gateway"]) for each in found if "gateway" in each)
        tables |= {(space, family) for family in _tables(space, TABLE if space else table)}
    return Observed(frozenset(existing), links, routes, _peers(), frozenset(tables))


def link_of(document: dict[str, Any]) -> Link:
    """Read one device as `ip -j address` shows it."""
    return Link(
        name=document["ifname"],
        mac=document.get("address", ""),
        mtu=document.get("mtu", 0),
        master=document.get("master", ""),
        is_up="UP" in document.get("flags", ()),
        addresses=frozenset(
            f"{each['local']}/{each['prefixlen']}"
            for each in document.get("addr_info", ())
            if "local" in each
        ),
    )


def _peers() -> dict[str, frozenset[str]]:
    peers: dict[str, set[str]] = {}
    for entry in _json("bridge", "-j", "fdb", "show"):
        if entry.get("mac") == EVERYBODY and "dst" in entry and "ifname" in entry:
            peers.setdefault(entry["ifname"], set()).add(entry["dst"])
    return {name: frozenset(addresses) for name, addresses in peers.items()}


def _tables(space: str, table: str) -> set[str]:
    inside = ("ip", "netns", "exec", space) if space else ()
    lines = run((*inside, "nft", "list", "tables")).splitlines()
    return {family for _, family, name in (line.split() for line in lines) if name == table}


def _json(*words: str) -> list[dict[str, Any]]:
    text = run(words).strip()
    found: list[dict[str, Any]] = orjson.loads(text) if text else []
    return [each for each in found if each]  # `ip -j` of some versions says {} for what it leaves out.


def run(words: tuple[str, ...], text: str = "") -> str:
    """Run a command and return what it prints.

    Raises:
        Unavailable: with what it says, where it fails.
    """
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(f"{words[0]}: {problem}") from problem
    if done.returncode:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
