"""Which addresses of the web may be fetched from: images are imported from the internet, not from next door.

    uri ──▶ target_of() ──▶ Target(scheme, host, port, path)         Refused: scheme, port, host, user
    Target, addresses of its host ──▶ allowed_address() ──▶ the one to connect to      Refused: none may be

Pure. Whoever connects takes the address that was judged here, not the name again, so that a name server that
changes its answer gains nothing; and asks anew for each redirect. Addresses that say IPv4 in IPv6 are judged
by what they lead to, and hosts that are numbers in disguise (0x7f.1, 2130706433, 0177.0.0.1) are refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ...common.errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PORTS = {"http": 80, "https": 443}
URI_LENGTH_MAX = 4096
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII)
_TRANSLATED = (  # Prefixes behind which an IPv4 address stands, and by how many bits it is shifted.
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_TEREDO = ipaddress.IPv6Network("2001::/32")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URI leads."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query, as it goes into the request line."""

    @property
    def authority(self) -> str:
        """What goes into the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WebRules:
    """What an operator allows beyond the public internet, and what not even there."""

    ports: frozenset[int] = frozenset((80, 443))
    hosts_refused: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    """Addresses that are allowed although they are not public: a mirror of one's own."""


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks as 10.0.0.0/8.

    Raises:
        ValueError: one is none.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def target_of(uri: str, rules: WebRules) -> Target:
    """Return where a URI leads.

    Raises:
        Refused: it is none, or leads where nobody may go.
    """
    if len(uri) > URI_LENGTH_MAX or not uri.isascii() or any(not "!" <= letter <= "~" for letter in uri):
        raise Refused("the URI is too long, or has characters that must be percent-encoded")
    if "\\" in uri:
        raise Refused("a URI has no backslashes")
    try:
        parts = urlsplit(uri)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError as problem:
        raise Refused(f"the URI cannot be read: {problem}") from problem
    if parts.scheme not in PORTS:
        raise Refused("only URIs that begin with http:// or https:// are fetched")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Refused("a URI with a user or password is not fetched")
    port = PORTS[parts.scheme] if port is None else port
    if port not in rules.ports:
        raise Refused(f"port {port} is not one of those that are fetched from")
    _check_host(host, rules)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def _check_host(host: str, rules: WebRules) -> None:
    if not host or host.rstrip(".") in rules.hosts_refused:
        raise Refused("this host is not fetched from")
    if ":" in host:
        _literal(host)
        return
    if not _HOST.fullmatch(host):
        raise Refused(f"{host!r} is no name of a host")
    labels = host.rstrip(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        _literal(host)  # What ends with a number is an address, and in one form only.


def _literal(host: str) -> Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise Refused(f"{host!r} is no address as addresses are written") from None


def allowed_address(addresses: Sequence[str], rules: WebRules) -> str:
    """Return the address to connect to, of those that a host's name stands for.

    Raises:
        Refused: one of them is not public; who mixes such in has something in mind.
    """
    for text in addresses:
        if not is_allowed(_literal(text.partition("%")[0]), rules):
            raise Refused("the host's address is not a public one, and is not fetched from")
    if not addresses:
        raise Refused("the host has no address")
    return addresses[0]


def is_allowed(address: Address, rules: WebRules) -> bool:
    """Whether an address may be connected to."""
    if any(address in network for network in rules.networks if network.version == address.version):
        return True
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TEREDO or address.is_site_local:
            return False
        inner = _inner(address)
        return inner is None or is_allowed(inner, rules)
    return True


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to."""
    for network, shift in _TRANSLATED:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None
