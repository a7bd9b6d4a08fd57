"""What may not pass between clients and the inside of the cluster.

    client ──headers──▶ gatekeeper ──without internal ones──▶ the rest of the pipeline
    client ◀──without internal ones── gatekeeper ◀──headers── the rest of the pipeline

Internal headers steer storage servers: system metadata, X-Backend-*, and the older update headers
(X-Container-Host and its kin) that would make an object server call an address of the client's choice
(CVE-2026-50221). A client's X-Timestamp is set aside, because only the proxy's clock orders changes.

It does not know what any of the headers mean, and must stand before everything that does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ...common.config import parse, setting
from ...common.http.wsgi import Environ, StartResponse, WSGIApp

log = logging.getLogger(__name__)

INTERNAL_PREFIXES = (
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-backend",
    "x-apus-",
)
INTERNAL_NAMES = frozenset(
    {f"x-account-{word}" for word in ("host", "device", "partition")}
    | {f"x-container-{word}" for word in ("host", "device", "partition", "root-db-state")}
    | {f"x-delete-at-{word}" for word in ("host", "device", "partition", "container")}
)
_INBOUND_PREFIXES = tuple("HTTP_" + prefix.upper().replace("-", "_") for prefix in INTERNAL_PREFIXES)
_INBOUND_KEYS = frozenset("HTTP_" + name.upper().replace("-", "_") for name in INTERNAL_NAMES)
_name = itemgetter(0)
_KNOWN_NAMES_MAX = 1024  # Metadata names are the clients' invention; the memos must not follow it.


@dataclass(frozen=True, slots=True, kw_only=True)
class GatekeeperConfig:
    """The filter's settings."""

    shunt_inbound_x_timestamp: bool = setting(
        True,  # noqa: FBT003
        help="Move a client's X-Timestamp to X-Backend-Inbound-X-Timestamp, so that it orders nothing.",
    )
    allow_reserved_names_header: bool = setting(
        False,  # noqa: FBT003
        help="Let clients name reserved items with X-Allow-Reserved-Names. For tests only.",
    )


def is_internal(name: str) -> bool:
    """Whether a header, in any case, belongs to the inside of the cluster."""
    lowered = name.lower()
    return lowered in INTERNAL_NAMES or lowered.startswith(INTERNAL_PREFIXES)


def is_guarded(sections: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the pipeline of a configuration has a gatekeeper, by whatever name.

    A file without [pipeline:main] is put together by somebody who is taken to know what they do.
    """
    pipeline = sections.get("pipeline:main", {}).get("pipeline")
    if pipeline is None:
        return True
    uses = (sections.get(f"filter:{name}", {}).get("use", name) for name in pipeline.split())
    return any(use.endswith("#gatekeeper") for use in uses)


class Gatekeeper:
    """Drops internal headers in both directions."""

    def __init__(self, app: WSGIApp, config: GatekeeperConfig) -> None:
        self.app = app
        self.shunt_timestamp = config.shunt_inbound_x_timestamp
        self.allow_reserved_names = config.allow_reserved_names_header
        self._harmless: set[str] = set()  # Keys of environs, remembered: one look at all of them is enough.
        self._visible: set[str] = set()  # Names of answers' headers, remembered.
        self._hidden: set[str] = set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not self._harmless.issuperset(environ):
            self._remove_forged(environ)
        if self.shunt_timestamp and "HTTP_X_TIMESTAMP" in environ:
            environ["HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"] = environ["HTTP_X_TIMESTAMP"]
            _remove(environ, ["HTTP_X_TIMESTAMP"])
        if self.allow_reserved_names and "HTTP_X_ALLOW_RESERVED_NAMES" in environ:
            environ["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] = environ.pop("HTTP_X_ALLOW_RESERVED_NAMES")
        visible, hidden = self._visible, self._hidden

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if not visible.issuperset(map(_name, headers)):
                headers = [
                    pair
                    for pair in headers
                    if pair[0] in visible or (pair[0] not in hidden and self._shows(pair[0]))
                ]
            return start_response(status, headers, exc_info)

        return self.app(environ, start)

    def _remove_forged(self, environ: Environ) -> None:
        """Look at each key, and remember the harmless ones."""
        unknown = [key for key in environ if key not in self._harmless]
        forged = [key for key in unknown if key.startswith(_INBOUND_PREFIXES) or key in _INBOUND_KEYS]
        if len(self._harmless) + len(unknown) <= _KNOWN_NAMES_MAX:
            self._harmless.update(key for key in unknown if key not in forged)
        if forged:
            _remove(environ, forged)

    def _shows(self, name: str) -> bool:
        """Whether clients may see a header, and remember it."""
        shows = not is_internal(name)
        known = self._visible if shows else self._hidden
        if len(known) < _KNOWN_NAMES_MAX:
            known.add(name)
        return shows


def _remove(environ: Environ, keys: list[str]) -> None:
    log.debug("removed request headers", extra={"headers": keys})
    for key in keys:
        del environ[key]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Gatekeeper]:
    """PasteDeploy's entry: `use = egg:apus#gatekeeper`."""
    config = parse(GatekeeperConfig, {**global_conf, **local_conf})
    return lambda app: Gatekeeper(app, config)
