"""The proxy: the application at the end of the pipeline, where names become requests to storage servers.

    environ ──▶ Proxy ──▶ Call ──▶ account, container or object controller ──▶ Answer
                  └ errors become statuses here, and only here

One per worker; it shares nothing with the other workers but rings on disk and, if there, memcached.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..common import info as capabilities
from ..common.cluster import ClusterConf
from ..common.cluster_secret import credentials
from ..common.config import parse, read_ini
from ..common.errors import Refused, Unavailable
from ..common.http.answer import Answer
from ..common.http.client import Pool, PoolConfig
from ..common.http.wsgi import Environ, StartResponse
from ..common.timestamp import Timestamp
from .backend import Backend
from .call import Call, call_of
from .controllers.account import AccountController
from .controllers.container import ContainerController
from .controllers.info import serve_info
from .controllers.object import ObjectController
from .cors import CorsRules, exposed_headers, preflight_headers
from .deletions import DeletionQueue
from .error_limit import ErrorLimit
from .info import AccountInfo, ContainerInfo
from .infos import Infos
from .middleware.gatekeeper import is_guarded
from .replicas import Replicas
from .rings import Rings
from .row_log import RowLog
from .services import Services
from .settings import ProxySettings, policy_settings

log = logging.getLogger(__name__)

Handlers = Mapping[str, Callable[[Call], Answer]]
INNER = "apus.inner"
"""In the global options of a pipeline that no client can reach: a daemon's own."""


class Proxy:
    """A WSGI application that serves a cluster."""

    def __init__(self, settings: ProxySettings, cluster: ClusterConf, *, pool: Pool | None = None) -> None:
        self.settings = settings
        self._limits = cluster.constraints
        backend = Backend(
            pool or Pool(_pool_config(settings), default_headers=credentials(cluster.secret)),
            ErrorLimit(
                rest_seconds=settings.error_suppression_interval,
                errors_max=settings.error_suppression_limit,
            ),
            timing_expiry_seconds=settings.timing_expiry if _times_nodes(settings) else None,
        )
        replicas = Replicas(Rings(cluster, settings.swift_dir), backend, settings)
        self._infos = Infos(replicas, settings)
        self.remembers_plain = self._infos.remembers_plain
        services = Services(
            settings,
            cluster,
            replicas,
            self._infos,
            frozenset(name.title() for name in settings.swift_owner_headers),
        )
        self._replicas = replicas
        self._deletions = DeletionQueue(replicas, cluster.salt)
        self._account: Handlers = AccountController(services).handlers
        self._container: Handlers = ContainerController(services).handlers
        self._object: Handlers = ObjectController(services).handlers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(environ)(environ, start_response)

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        """Return what is known of an account; for middleware."""
        return self._infos.account(environ, account)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return what is known of a container; for middleware."""
        return self._infos.container(environ, account, container)

    def delete_later(self, account: str, container: str, names: Sequence[str], moment: Timestamp) -> None:
        """Have objects deleted by the expirer; for middleware."""
        self._deletions.add(account, container, names, moment)

    def row_log(self, account: str) -> RowLog:
        """Return the logs that are kept in an account of the cluster's own; for middleware."""
        return RowLog(self._replicas, account)

    def _answer(self, environ: Environ) -> Answer:
        try:
            if environ["PATH_INFO"] == "/info":
                return serve_info(environ, self.settings)
            if self.settings.deny_host_headers:
                self._check_host(environ)
            call = call_of(environ, self._limits)
            handlers = self._object if call.name is not None else self._handlers(call)
            if call.method == "OPTIONS":
                return self._options(call, handlers)
            handler = handlers.get(call.method)
            if handler is None:
                return Answer.text(405, "", {"Allow": ", ".join((*handlers, "OPTIONS"))})
            answer = handler(call)
            if "HTTP_ORIGIN" in environ and call.container is not None:
                self._expose(call, answer)
        except Refused as refusal:
            return Answer.text(refusal.status, str(refusal))
        except Unavailable as problem:
            return Answer.text(503, f"{problem}\n")
        return answer

    def _check_host(self, environ: Environ) -> None:
        if environ.get("HTTP_HOST", "").split(":")[0] in self.settings.deny_host_headers:
            raise Refused("Invalid host header", 403)

    def _handlers(self, call: Call) -> Handlers:
        return self._container if call.container is not None else self._account

    # --- pages of other origins --------------------------------------------------------------

    def _options(self, call: Call, handlers: Handlers) -> Answer:
        methods = (*handlers, "OPTIONS")
        allow = {"Allow": ", ".join(methods)}
        origin = call.header("ORIGIN")
        if not origin or call.container is None:
            return Answer(200, allow)
        headers = preflight_headers(
            self._cors(call),
            origin=origin,
            method=call.header("ACCESS_CONTROL_REQUEST_METHOD"),
            methods=methods,
            asked=call.header("ACCESS_CONTROL_REQUEST_HEADERS"),
        )
        if headers is None:
            return Answer.text(401, "This origin may not do that here.\n", allow)
        return Answer(200, {**allow, **headers})

    def _expose(self, call: Call, answer: Answer) -> None:
        origin = call.header("ORIGIN")
        rules = self._cors(call)
        if not origin or (self.settings.strict_cors_mode and not rules.allows(origin)):
            return
        answer.headers.update(
            exposed_headers(
                rules,
                origin=origin,
                answered=answer.headers,
                expose_everywhere=self.settings.cors_expose_headers,
            )
        )

    def _cors(self, call: Call) -> CorsRules:
        assert call.container is not None
        found = self._infos.container(call.environ, call.account, call.container)
        return CorsRules.of(found, self.settings.cors_allow_origin)


def _times_nodes(settings: ProxySettings) -> bool:
    return any(each.sorting_method == "timing" for each in (settings, *settings.policies.values()))


def _pool_config(settings: ProxySettings) -> PoolConfig:
    return PoolConfig(
        connect_timeout_seconds=settings.conn_timeout,
        response_timeout_seconds=settings.node_timeout,
        read_timeout_seconds=settings.node_timeout,
    )


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> Proxy:
    """Make the application from its PasteDeploy section."""
    options = {**global_conf, **local_conf}
    sections = read_ini(global_conf["__file__"]) if "__file__" in global_conf else {}
    settings = parse(ProxySettings, options)
    _check_guard(sections, is_inner=INNER in global_conf)
    section = next(
        (
            name
            for name in sections
            if name.startswith("app:") and sections[name].get("use", "").endswith("#proxy")
        ),
        "app:proxy-server",
    ).removeprefix("app:")
    per_policy = policy_settings(options, sections, section)
    if per_policy:
        settings = replace(settings, policies=per_policy)
    cluster = ClusterConf.load(settings.swift_dir)
    mimetypes.init([*mimetypes.knownfiles, str(Path(settings.swift_dir) / "mime.types")])
    _publish(settings, cluster)
    return Proxy(settings, cluster)


def _check_guard(sections: Mapping[str, Mapping[str, str]], *, is_inner: bool) -> None:
    """Refuse a pipeline that would show clients what is internal, or hide it from a daemon."""
    guarded = is_guarded(sections)
    if is_inner and guarded:
        raise Refused("[pipeline:main] must be there, and without a gatekeeper: daemons see what it removes")
    if not is_inner and not guarded:
        raise Refused(
            "[pipeline:main] lacks a gatekeeper (egg:apus#gatekeeper) to keep internal headers from clients"
        )


def _publish(settings: ProxySettings, cluster: ClusterConf) -> None:
    limits = cluster.constraints
    capabilities.register(
        "swift",
        version="2.38.3",
        max_file_size=limits.max_file_size,
        max_meta_name_length=limits.max_meta_name_length,
        max_meta_value_length=limits.max_meta_value_length,
        max_meta_count=limits.max_meta_count,
        max_meta_overall_size=limits.max_meta_overall_size,
        max_header_size=limits.max_header_size,
        extra_header_count=limits.extra_header_count,
        max_object_name_length=limits.max_object_name_length,
        container_listing_limit=limits.container_listing_limit,
        account_listing_limit=limits.account_listing_limit,
        max_account_name_length=limits.max_account_name_length,
        max_container_name_length=limits.max_container_name_length,
        valid_api_versions=list(limits.valid_api_versions),
        strict_cors_mode=settings.strict_cors_mode,
        allow_account_management=settings.allow_account_management,
        account_autocreate=settings.account_autocreate,
        allow_open_expired=settings.allow_open_expired,
        policies=[
            {
                "name": policy.name,
                "aliases": ", ".join(policy.names),
                **({"default": True} if policy.default else {}),
            }
            for policy in cluster.policies.all
            if not policy.deprecated
        ],
    )
    capabilities.register("apus", version="0.1.0", conditional_writes=True)
