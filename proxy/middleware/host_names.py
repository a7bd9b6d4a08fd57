"""Host headers, and answers whose Location must agree with what the client asked for.

    Host: c.a.example.com:8080 ──split_host()──▶ c.a.example.com, 8080
    Location of what was rewritten ──locating()──▶ Location of what was asked for

For domain_remap and cname_lookup, which let requests go on as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ...common.http.wsgi import Environ, StartResponse


def host_of(environ: Environ) -> tuple[str, str]:
    """Return the host that a request is for, and its port, which may be empty."""
    return split_host(environ.get("HTTP_HOST") or environ["SERVER_NAME"])


def split_host(host: str) -> tuple[str, str]:
    """Return name and port of a Host header."""
    if host.startswith("["):  # An IPv6 address, as it must be written where a port may follow.
        address, _, port = host.partition("]")
        return address[1:], port.removeprefix(":")
    if host.count(":") > 1:
        return host, ""
    name, _, port = host.partition(":")
    return name, port


def domains_of(listed: Sequence[str]) -> tuple[str, ...]:
    """Return the domains in lower case, each with the dot that is before it."""
    return tuple("." + domain.lower().lstrip(".") for domain in listed)


def domain_within(name: str, domains: Sequence[str]) -> str | None:
    """Return the domain that a name belongs to, or None."""
    lowered = name.lower()
    return next((domain for domain in domains if lowered.endswith(domain)), None)


def locating(start_response: StartResponse, rewrite: Callable[[str, str], tuple[str, str]]) -> StartResponse:
    """Return a start_response that passes host and path of a Location through `rewrite`."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if status.startswith(("201", "3")):
            headers = [
                (name, _located(value, rewrite) if name.lower() == "location" else value)
                for name, value in headers
            ]
        return start_response(status, headers, exc_info)

    return start


def _located(location: str, rewrite: Callable[[str, str], tuple[str, str]]) -> str:
    parts = urlsplit(location)
    host, path = rewrite(parts.netloc, parts.path)
    return urlunsplit((parts.scheme, host, path, parts.query, parts.fragment))
