"""Which function serves a request: by method and path.

    @routes.get("/v2/images/{image_id}")
    def show(call, image_id): …            GET /v2/images/7 ──▶ (show, {"image_id": "7"})

A part in braces takes one segment, decoded; {name:path} takes the rest. Of several templates that fit, the
one with the earlier fixed segments wins, whatever the order they were added in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from webob import Response

from .faults import MethodNotAllowed, NotFound

Handler = Callable[..., Response]
H = TypeVar("H", bound=Handler)
_PART = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A template, the handlers of its methods, and which of them strangers may call."""

    template: str
    pattern: re.Pattern[str]
    rank: tuple[int, ...]
    handlers: dict[str, Handler] = field(default_factory=dict)
    open_methods: set[str] = field(default_factory=set)

    def wants_name(self, path: str) -> bool:
        """Whether the path, which ends with a slash, lacks only the name at the end of the template."""
        takes_name = self.template.endswith("}") and not self.template.endswith(":path}")
        return takes_name and self.pattern.fullmatch(f"{path}x") is not None


@dataclass(frozen=True, slots=True)
class Match:
    """Who serves a request, and with what."""

    handler: Handler
    parts: dict[str, str]
    is_open: bool
    template: str


class Routes:
    """The paths of a service."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def route(self, methods: Iterable[str], template: str, *, open_to_all: bool = False) -> Callable[[H], H]:
        """Let the decorated function serve these methods of this path."""

        def add(handler: H) -> H:
            self.add(methods, template, handler, open_to_all=open_to_all)
            return handler

        return add

    def get(self, template: str, *, open_to_all: bool = False) -> Callable[[H], H]:
        """GET, and HEAD by the same function."""
        return self.route(("GET", "HEAD"), template, open_to_all=open_to_all)

    def post(self, template: str, *, open_to_all: bool = False) -> Callable[[H], H]:
        """POST."""
        return self.route(("POST",), template, open_to_all=open_to_all)

    def put(self, template: str) -> Callable[[H], H]:
        """PUT."""
        return self.route(("PUT",), template)

    def patch(self, template: str) -> Callable[[H], H]:
        """PATCH."""
        return self.route(("PATCH",), template)

    def delete(self, template: str) -> Callable[[H], H]:
        """DELETE."""
        return self.route(("DELETE",), template)

    def add(
        self, methods: Iterable[str], template: str, handler: Handler, *, open_to_all: bool = False
    ) -> None:
        """Let the function serve these methods of this path; no path has two for one method."""
        route = next((route for route in self._routes if route.template == template), None)
        if route is None:
            route = Route(template, _pattern(template), _rank(template))
            self._routes.append(route)
            self._routes.sort(key=lambda route: route.rank)
        for method in methods:
            assert method not in route.handlers, f"{method} {template} is served twice"
            route.handlers[method] = handler
            if open_to_all:
                route.open_methods.add(method)

    def find(self, method: str, path: str) -> Match:
        """Return who serves it; a slash at the end of the path means nothing, unless a name should follow.

        Nothing is called by an empty name: a client that forgot one must not reach the list instead.

        Raises:
            NotFound: nobody serves the path.
            MethodNotAllowed: others of its methods are served.
        """
        allowed: set[str] = set()
        if path.endswith("/") and any(route.wants_name(path) for route in self._routes):
            raise NotFound("The resource could not be found.")
        for route in self._routes:
            found = route.pattern.fullmatch(path.rstrip("/") or "/")
            if found is None:
                continue
            if handler := route.handlers.get(method):
                return Match(handler, found.groupdict(), method in route.open_methods, route.template)
            allowed |= set(route.handlers)
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise MethodNotAllowed(f"Only {allow} is served here.", headers={"Allow": allow})
        raise NotFound("The resource could not be found.")

    def listed(self) -> list[tuple[str, str]]:
        """Every method and template that is served, for documents and tests."""
        return sorted((route.template, method) for route in self._routes for method in route.handlers)


def _pattern(template: str) -> re.Pattern[str]:
    """Return what the template's paths look like."""
    text, at = "", 0
    for part in _PART.finditer(template):
        text += re.escape(template[at : part.start()]) + f"(?P<{part[1]}>{'.+' if part[2] else '[^/]+'})"
        at = part.end()
    return re.compile(text + re.escape(template[at:]), re.DOTALL)


def _rank(template: str) -> tuple[int, ...]:
    """Fixed segments before open ones, and those before what takes the rest."""
    return tuple(
        2 if ":path}" in segment else int("{" in segment) for segment in template.strip("/").split("/")
    )


def methods_of(owner: Any, routes: Routes) -> None:
    """Add the methods of an object that `served` has marked."""
    for name in dir(type(owner)):
        for methods, template, open_to_all in getattr(getattr(type(owner), name), "serves", ()):
            routes.add(methods, template, getattr(owner, name), open_to_all=open_to_all)


def served(methods: str, *templates: str, open_to_all: bool = False) -> Callable[[H], H]:
    """Mark a method of a controller: `@served("GET HEAD", "/v2/images/{image_id}")`; see `methods_of`."""

    def mark(handler: H) -> H:
        marks = [(tuple(methods.split()), template, open_to_all) for template in templates]
        handler.serves = [*getattr(handler, "serves", ()), *marks]  # type: ignore[attr-defined]
        return handler

    return mark
