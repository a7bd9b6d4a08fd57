"""Lets other clusters' container sync in, where it proves that it knows both keys.

    request + X-Container-Sync-Auth: REALM NONCE SIGNATURE ──▶ right? ──▶ authorised, with its own X-Timestamp
                                                                  └─────▶ 401
    X-Container-Sync-To ──▶ 400 where it may not be

The container's key comes from its facts, the realm's from container-sync-realms.conf. Who sends such
requests is another cluster's container sync: ours or stock Swift's.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...common import info, sync_realms
from ...common.cluster import DEFAULT_DIRECTORY
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ...common.sync_realms import Realm, Realms, signature, wire_path
from ..authorization import let_in
from ..info import get_container_info
from .refusals import names_in, unauthorized
from .shortcut import Affair, Shortcut, passable

log = logging.getLogger(__name__)

AUTH_KEY = "HTTP_X_CONTAINER_SYNC_AUTH"
TARGET_KEY = "HTTP_X_CONTAINER_SYNC_TO"
SHUNTED_TIMESTAMP = "HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"
OVERRIDES = ("swift.slo_override", "swift.symlink_override")
"""A manifest or link may come before what it names, so nobody shall look for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSyncConfig:
    """The filter's settings."""

    allow_full_urls: bool = setting(
        True,  # noqa: FBT003
        help="Let users synchronise to URLs of allowed_sync_hosts; otherwise to clusters of a realm only.",
    )
    current: str = setting("", help="What this cluster is called in the realms: //REALM/CLUSTER.")
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of container-sync-realms.conf.")


class ContainerSync:
    """The filter."""

    def __init__(self, app: WSGIApp, config: ContainerSyncConfig, realms: Realms) -> None:
        self.app = app
        self.allow_full_urls = config.allow_full_urls
        self.current = tuple(config.current.strip("/").upper().split("/"))
        self.realms = realms
        self._publish()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if AUTH_KEY in environ or TARGET_KEY in environ:
            names = names_in(environ["PATH_INFO"])
            if names is not None and names[1] is not None:
                refusal = self._refusal(environ, is_object=names[2] is not None)
                if refusal is not None:
                    return refusal(environ, start_response)
        elif environ["PATH_INFO"] == "/info":
            self._publish()
        return self.app(environ, start_response)

    def _refusal(self, environ: Environ, *, is_object: bool) -> Answer | None:
        target = environ.get(TARGET_KEY)
        if target and environ["REQUEST_METHOD"] in ("PUT", "POST") and not is_object:
            if get_container_info(environ, self.app).sysmeta.get("versions-container"):
                return Answer.text(
                    400, "Cannot configure container sync on a container with object versioning configured."
                )
            if not self.allow_full_urls and not target.startswith("//"):
                return Answer.text(
                    400,
                    "Full URLs are not allowed for X-Container-Sync-To values. "
                    "Only realm values of the format //realm/cluster/account/container are allowed.\n",
                )
        if AUTH_KEY not in environ:
            return None
        fault = self._fault(environ)
        if fault is not None:
            log.info("container sync refused", extra={"fault": fault, "path": environ["PATH_INFO"]})
            return _unauthorized(environ)
        self._let_in(environ)
        return None

    def _let_in(self, environ: Environ) -> None:
        """Let a request write what it proved the key of, and read nothing elsewhere by copies and links."""
        place = environ["PATH_INFO"].split("/", 4)[2:4]

        def authorize(asking: Environ) -> Answer | None:
            return None if asking["PATH_INFO"].split("/", 4)[2:4] == place else _unauthorized(asking)

        let_in(environ, authorize)
        environ.update(dict.fromkeys(OVERRIDES, True))
        if environ["REQUEST_METHOD"] == "HEAD":
            environ["QUERY_STRING"] = (
                "symlink=get"  # How new the link is that may be written, not its target.
            )

    def _fault(self, environ: Environ) -> str | None:
        """Say what is wrong with the proof, None when it is right; the request's own time counts then."""
        words = environ[AUTH_KEY].split()
        if len(words) != 3:
            return "not three words"
        realm = self.realms.realm(words[0])
        if realm is None or not realm.key:
            return "no such realm here"
        user_key = get_container_info(environ, self.app).sync_key
        if not user_key:
            return "the container has no key"
        if SHUNTED_TIMESTAMP in environ:
            environ["HTTP_X_TIMESTAMP"] = environ.pop(SHUNTED_TIMESTAMP)
        good = is_signed(environ, realm, words[1], words[2], user_key=from_wsgi(user_key))
        return None if good else "wrong signature"

    def _publish(self) -> None:
        """Tell in /info which realms and clusters there are, and which of them this one is."""
        shown: dict[str, Any] = {}
        for name, realm in self.realms.all().items():
            clusters: dict[str, Any] = {cluster: {} for cluster in realm.clusters}
            if len(self.current) == 2 and self.current[0] == name and self.current[1] in clusters:
                clusters[self.current[1]]["current"] = True
            if clusters:
                shown[name] = {"clusters": clusters}
        info.register("container_sync", realms=shown)


def is_signed(environ: Mapping[str, Any], realm: Realm, nonce: str, given: str, *, user_key: str) -> bool:
    """Whether a signature is made with one of the realm's keys and the container's key."""
    path = wire_path(from_wsgi(environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]))
    timestamp = environ.get("HTTP_X_TIMESTAMP", "0")
    matches = False
    for key in realm.keys:
        right = signature(environ["REQUEST_METHOD"], path, timestamp, nonce, realm_key=key, user_key=user_key)
        matches |= hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())
    return matches


def shows_sync_key(environ: Environ) -> bool:
    """Whether a request shows the container's own key, as container sync to a URL does.

    Controllers know the key; without a time of its own the request is no other cluster's.
    """
    key, given = environ.get("swift_sync_key"), environ.get("HTTP_X_CONTAINER_SYNC_KEY")
    if not key or not given or "HTTP_X_TIMESTAMP" not in environ:
        return False
    return hmac.compare_digest(key.encode("latin-1"), given.encode("latin-1"))


def _unauthorized(environ: Environ) -> Answer:
    answer = unauthorized(environ["PATH_INFO"])
    answer.headers["WWW-Authenticate"] = (
        f"SwiftContainerSync {answer.headers['WWW-Authenticate'].split(' ', 1)[1]}"
    )
    answer.body = b"X-Container-Sync-Auth header not valid; contact cluster operator for support."
    return answer


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#container_sync`."""
    config = parse(ContainerSyncConfig, {**global_conf, **local_conf})
    realms = Realms(os.path.join(config.swift_dir, sync_realms.FILE))
    return passable(
        lambda app: ContainerSync(app, config, realms), Affair(headers=frozenset((AUTH_KEY, TARGET_KEY)))
    )
