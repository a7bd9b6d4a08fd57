"""Host names of the clients' own, which the DNS says are names of this store.

    Host: files.acme.org ──CNAME──▶ … ──▶ c.a.example.com, in storage_domain ──▶ the pipeline, as that

domain_remap behind it makes a path of the name. What the DNS says is remembered for as long as it says, in
memcached, and without one in the worker.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.resolver

from ...common import info as capabilities
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from .host_names import domain_within, domains_of, host_of, locating, split_host

log = logging.getLogger(__name__)

ABSENT_SECONDS = 60
"""For so long nobody asks again about a name that has no CNAME."""
REMEMBERED_MAX = 4096
Lookup = Callable[[str], tuple[float, str | None]]
"""Asks the DNS; returns for how many seconds the answer holds, and the name, None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CnameLookupConfig:
    """The filter's settings."""

    storage_domain: tuple[str, ...] = setting(
        ("example.com",), help="Domains that this store answers under; empty looks up nothing."
    )
    lookup_depth: int = setting(1, help="CNAME records that are followed, one after another.", minimum=1)
    nameservers: tuple[str, ...] = setting(
        (), help="IP addresses, each perhaps with :port, of the servers to ask; the system's when empty."
    )

    def __post_init__(self) -> None:
        """Refuse to start with a name server that is none."""
        for server in self.nameservers:
            address, port = split_host(server)
            try:
                ipaddress.ip_address(address)
                int(port or 53)
            except ValueError as problem:
                raise ValueError(
                    f"nameservers: {server!r} is no IP address with or without a port"
                ) from problem


class CnameLookup:
    """The filter."""

    def __init__(self, app: WSGIApp, config: CnameLookupConfig, look_up: Lookup) -> None:
        self.app = app
        self._domains = domains_of(config.storage_domain)
        self._depth = config.lookup_depth
        self._look_up = look_up
        self._remembered: dict[str, tuple[float, str]] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        asked, port = host_of(environ)
        asked = asked.lower()
        if not self._domains or self._is_ours(asked) or _is_address(asked):
            return self.app(environ, start_response)
        name = asked
        for _ in range(self._depth):
            found = self._found(environ, name)
            if not found or found == name:
                sentence = "CNAME lookup failed to resolve to a valid domain"
                return Answer.text(400, sentence)(environ, start_response)
            name = found
            if self._is_ours(name):
                break
        else:
            sentence = f"CNAME lookup failed after {self._depth} tries"
            return Answer.text(400, sentence)(environ, start_response)
        given = environ.get("HTTP_HOST") or asked
        environ["HTTP_HOST"] = known = f"{name}:{port}" if port else name

        def as_asked(host: str, path: str) -> tuple[str, str]:
            return given if host.lower() == known else host, path

        return self.app(environ, locating(start_response, as_asked))

    def _is_ours(self, name: str) -> bool:
        return domain_within(f".{name}", self._domains) is not None

    def _found(self, environ: Environ, name: str) -> str:
        """Return what a name is an alias of, in lower case; empty when it is none."""
        shared: Any = environ.get("swift.cache")
        key = f"cname-{name}"
        known = shared.get(key) if shared is not None else self._recall(name)
        if isinstance(known, str):
            return known
        seconds, answer = self._look_up(name)
        found = (answer or "").rstrip(".").lower()
        if seconds > 0 and shared is not None:
            shared.set(key, found, time=seconds)
        elif seconds > 0:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[name] = (time.monotonic() + seconds, found)
        return found

    def _recall(self, name: str) -> str | None:
        until, found = self._remembered.get(name, (0.0, ""))
        return found if time.monotonic() < until else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def dns_lookup(config: CnameLookupConfig) -> Lookup:
    """Return what asks the configured name servers, or the system's."""
    resolver = dns.resolver.Resolver()
    if config.nameservers:
        servers = [split_host(server) for server in config.nameservers]
        resolver.nameservers = [address for address, _ in servers]
        resolver.nameserver_ports = {address: int(port) for address, port in servers if port}

    def look_up(name: str) -> tuple[float, str | None]:
        try:
            answer = resolver.resolve(name, "CNAME").rrset
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ABSENT_SECONDS, None
        except dns.exception.DNSException as problem:
            log.info("name servers gave no answer", extra={"name_asked": name, "problem": str(problem)})
            return 0, None
        assert answer is not None
        return answer.ttl, answer[0].to_text()

    return look_up


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], CnameLookup]:
    """PasteDeploy's entry: `use = egg:apus#cname_lookup`."""
    config = parse(CnameLookupConfig, {**global_conf, **local_conf})
    capabilities.register("cname_lookup", lookup_depth=config.lookup_depth)
    look_up = dns_lookup(config)
    return lambda app: CnameLookup(app, config, look_up)
