"""CORS rules: what pages of other origins may do with a bucket.

    <CORSConfiguration> ──rules_of()──▶ Rule, … ──matching(origin, method, …)──▶ Rule ──headers_of()──▶ answer

The first rule that fits counts. Pure; where a rule is one that the store's own API knows, too, it becomes the
container's Access-Control-* metadata as well (`metadata_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import S3Error
from ..xml import Node
from . import reading
from .reading import malformed
from .wildcards import matches

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
RULES_MAX = 100
_TAGS = frozenset(("ID", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None

    def origin_for(self, origin: str) -> str | None:
        """Return what the answer says is allowed, if this origin is: itself, or a bare star."""
        for pattern in self.origins:
            if pattern == "*":
                return "*"
            if matches(pattern.replace("?", "\0"), origin):
                return origin
        return None

    def takes(self, origin: str, method: str, asked: Iterable[str]) -> bool:
        """Tell whether a page of that origin may do this with those headers."""
        return (
            method in self.methods
            and self.origin_for(origin) is not None
            and all(any(matches(known, name) for known in self.headers) for name in asked)
        )


def matching(rules: Iterable[Rule], origin: str, method: str, asked: Sequence[str] = ()) -> Rule | None:
    """Return the first rule that allows it."""
    names = [name.strip().lower() for name in asked if name.strip()]
    return next((rule for rule in rules if rule.takes(origin, method, names)), None)


def headers_of(rule: Rule, origin: str, asked: Sequence[str] = (), *, preflight: bool) -> dict[str, str]:
    """Return what the answer carries."""
    allowed = rule.origin_for(origin)
    assert allowed is not None
    headers = {
        "Access-Control-Allow-Origin": allowed,
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if allowed != "*":
        headers["Access-Control-Allow-Credentials"] = "true"
    names = [name.strip() for name in asked if name.strip()]
    if preflight and names:
        headers["Access-Control-Allow-Headers"] = ", ".join(name.lower() for name in names)
    if rule.exposed:
        headers["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    if preflight and rule.max_age is not None:
        headers["Access-Control-Max-Age"] = str(rule.max_age)
    return headers


def metadata_of(rules: Sequence[Rule]) -> dict[str, str]:
    """Return the container's metadata that say the same to the store's own API; empty where nothing can.

    That API knows one list of origins, without patterns, for all methods: only a rule that allows every one
    of them can be said there.
    """
    plain = {"Allow-Origin": "", "Expose-Headers": "", "Max-Age": ""}
    for rule in rules:
        whole = set(METHODS) <= set(rule.methods) and "*" in rule.headers
        if whole and not any("*" in origin for origin in rule.origins if origin != "*"):
            plain["Allow-Origin"] = " ".join(rule.origins)
            plain["Expose-Headers"] = " ".join(rule.exposed)
            plain["Max-Age"] = "" if rule.max_age is None else str(rule.max_age)
            break
    return {f"X-Container-Meta-Access-Control-{name}": value for name, value in plain.items()}


# --- reading ---------------------------------------------------------------------------------


def rules_of(root: Node) -> Sequence[Rule]:
    """Return the rules of a document.

    Raises:
        S3Error: MalformedXML or InvalidRequest.
    """
    reading.only(root, ("CORSRule",))
    nodes = root.all("CORSRule")
    if not nodes:
        raise malformed("there is no CORSRule")
    if len(nodes) > RULES_MAX:
        raise malformed(f"there are more than {RULES_MAX} rules")
    return [_rule(node) for node in nodes]


def _rule(node: Node) -> Rule:
    reading.only(node, _TAGS, once=("ID", "MaxAgeSeconds"))
    origins = tuple(child.text.strip() for child in node.all("AllowedOrigin"))
    methods = tuple(child.text.strip() for child in node.all("AllowedMethod"))
    headers = tuple(child.text.strip().lower() for child in node.all("AllowedHeader"))
    exposed = tuple(child.text.strip() for child in node.all("ExposeHeader"))
    if not origins or not methods:
        raise malformed("a CORSRule has an AllowedOrigin and an AllowedMethod")
    for text in (*origins, *headers):
        if text.count("*") > 1:
            raise S3Error("InvalidRequest", f"{text} has more than one wildcard.")
    for text in (*origins, *headers, *exposed):
        if not text.isprintable() or not text.isascii() or not text:
            raise S3Error("InvalidRequest", f"{text!r} cannot stand in a header.")
    if any("*" in text for text in exposed):
        raise S3Error("InvalidRequest", "ExposeHeader has no wildcards.")
    for method in methods:
        if method not in METHODS:
            raise S3Error("InvalidRequest", f"Found unsupported HTTP method in CORS config: {method}")
    age = node.find("MaxAgeSeconds")
    seconds = None if age is None else reading.number(age.text, age.tag)
    if seconds is not None and seconds < 0:
        raise malformed("MaxAgeSeconds must not be negative")
    return Rule(origins, methods, headers, exposed, seconds)
