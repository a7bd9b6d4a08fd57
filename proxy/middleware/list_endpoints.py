"""GET /endpoints/…: on which devices something lies, for programs that compute beside their data.

    /endpoints/[v1/|v2/]ACCOUNT[/CONTAINER[/OBJECT]] ──▶ asked() ──▶ rings ──▶ JSON list of URLs
                                                                       v2 ──▶ {"endpoints": …, "headers": …}

No authorisation is asked: it tells where a name would lie, not whether there is such a thing. Stands before
auth, and only where clients may know the storage network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.config import parse, setting
from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..info import container_info_at
from ..rings import Rings

VERSIONS = (1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEndpointsConfig:
    """The filter's settings."""

    list_endpoints_path: str = setting("/endpoints/", help="Where in the path names begin.")
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")


def asked(path: str) -> tuple[float, list[str]]:
    """Return the form of answer and the names that a path (behind the prefix) asks for.

    Raises:
        Refused: where there is no account, or a form that doesn't exist.
    """
    version = VERSIONS[0]
    first, _, rest = path.partition("/")
    try:
        number = float(first.lstrip("v"))
    except ValueError:
        number = None
    if number in VERSIONS:
        version, path = number, rest
    elif first.startswith("v") and "_" not in first:
        raise Refused(f"Unsupported version {first!r}")
    names = path.split("/", 2)
    if names[-1] == "" and len(names) > 1:
        names.pop()
    if not all(names):
        raise Refused("No account specified")
    return version, names


class ListEndpoints:
    """The filter."""

    def __init__(self, app: WSGIApp, prefix: str, rings: Rings) -> None:
        self.app = app
        self._prefix = prefix
        self._rings = rings

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not environ["PATH_INFO"].startswith(self._prefix):
            return self.app(environ, start_response)
        return self._answer(environ)(environ, start_response)

    def _answer(self, environ: Environ) -> Answer:
        if environ["REQUEST_METHOD"] != "GET":
            return Answer.text(405, "Endpoints can only be read, by GET.", {"Allow": "GET"})
        try:
            version, names = asked(from_wsgi(environ["PATH_INFO"][len(self._prefix) :]))
            policy_index = self._policy_index(environ, names)
            endpoints = self._endpoints(names, policy_index)
        except Refused as refusal:
            return Answer.text(refusal.status, str(refusal))
        found: object = endpoints
        if version == VERSIONS[1]:
            headers = {}
            if policy_index is not None:
                headers["X-Backend-Storage-Policy-Index"] = str(policy_index)
            found = {"endpoints": endpoints, "headers": headers}
        return Answer(200, {"Content-Type": "application/json"}, orjson.dumps(found))

    def _policy_index(self, environ: Environ, names: list[str]) -> int | None:
        if len(names) < 3:
            return None
        return container_info_at(environ, self.app, *names[:2]).policy_index

    def _endpoints(self, names: list[str], policy_index: int | None) -> list[str]:
        if policy_index is not None:
            home = self._rings.of_object(policy_index, names[0], names[1], names[2])
        elif len(names) == 1:
            home = self._rings.of_account(*names)
        else:
            home = self._rings.of_container(names[0], names[1])
        path = "/".join(quote(name, errors="surrogateescape") for name in names)
        return [
            f"http://{device.ip}:{device.port}/{device.device}/{home.partition}/{path}"
            for device in home.primaries
        ]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], ListEndpoints]:
    """PasteDeploy's entry: `use = egg:apus#list_endpoints`."""
    config = parse(ListEndpointsConfig, {**global_conf, **local_conf})
    rings = Rings(ClusterConf.load(config.swift_dir), config.swift_dir)
    prefix = config.list_endpoints_path.rstrip("/") + "/"
    return lambda app: ListEndpoints(app, prefix, rings)
