"""Which pages of other origins may read an answer: the container's Access-Control-* metadata.

    Origin + container's rules ──▶ preflight_headers()  for OPTIONS, or None: not allowed
                              └──▶ exposed_headers()    added to the real answer

Pure. What a browser then does with the headers is its affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .info import ContainerInfo

ALWAYS_EXPOSED: Final = (
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
)


@dataclass(frozen=True, slots=True)
class CorsRules:
    """A container's rules, with what the operator allows everywhere."""

    allow_origin: str | None
    expose_headers: str | None
    max_age: str | None
    allow_everywhere: frozenset[str] = frozenset()

    @classmethod
    def of(cls, info: ContainerInfo, allow_everywhere: Iterable[str] = ()) -> CorsRules:
        """Read the rules from a container's metadata."""
        return cls(
            info.meta.get("access-control-allow-origin"),
            info.meta.get("access-control-expose-headers"),
            info.meta.get("access-control-max-age"),
            frozenset(allow_everywhere),
        )

    def allows(self, origin: str) -> bool:
        """Tell whether pages of that origin are welcome."""
        allowed = set((self.allow_origin or "").split()) | self.allow_everywhere
        return origin in allowed or "*" in allowed

    def _origin_headers(self, origin: str, vary: str | None) -> dict[str, str]:
        if (self.allow_origin or "").strip() == "*":
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": _with(vary, "Origin")}


def preflight_headers(
    rules: CorsRules, *, origin: str, method: str | None, methods: Iterable[str], asked: str | None
) -> dict[str, str] | None:
    """Return the answer to a preflight, or None when the page may not do what it wants."""
    offered = ", ".join(methods)
    if not rules.allows(origin) or method not in offered.split(", "):
        return None
    headers = rules._origin_headers(origin, None)
    if rules.max_age is not None:
        headers["Access-Control-Max-Age"] = rules.max_age
    headers["Access-Control-Allow-Methods"] = offered
    wanted = dict.fromkeys(name.strip() for name in (asked or "").split(",") if name.strip())
    if wanted:
        headers["Access-Control-Allow-Headers"] = ", ".join(wanted)
        headers["Vary"] = _with(headers.get("Vary"), "Access-Control-Request-Headers")
    return headers


def exposed_headers(
    rules: CorsRules,
    *,
    origin: str,
    answered: Mapping[str, str],
    expose_everywhere: Iterable[str] = (),
) -> dict[str, str]:
    """Return what an answer to a page of another origin also carries."""
    added = {}
    names = {name.title(): value for name, value in answered.items()}
    if "Access-Control-Expose-Headers" not in names:
        exposed = [*ALWAYS_EXPOSED, *(name.lower() for name in expose_everywhere)]
        exposed += [name.lower() for name in names if name.startswith(("X-Container-Meta", "X-Object-Meta"))]
        exposed += (rules.expose_headers or "").lower().split()
        added["Access-Control-Expose-Headers"] = ", ".join(dict.fromkeys(exposed))
    if "Access-Control-Allow-Origin" not in names:
        added.update(rules._origin_headers(origin, names.get("Vary")))
    return added


def _with(vary: str | None, name: str) -> str:
    return f"{vary}, {name}" if vary else name
