"""The most that a container may hold, as who owns it wishes.

    PUT, POST container  X-Container-Meta-Quota-Bytes, -Quota-Count ──▶ numbers, else 400
    PUT object           usage asked now ──▶ quotas.py ──▶ 413 `Upload exceeds quota.`

It counts what the container holds: segments where they lie, a manifest by its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...common import info as capabilities
from ...common.config import true_value
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ..info import ContainerInfo, get_container_info
from .inner import path_of
from .quotas import NOTHING, Amount, Gate, Limit, Quota, is_quota, names_of, size_of_stored, usage_headers
from .shortcut import Affair, Shortcut, passable

VALUES = (
    ("HTTP_X_CONTAINER_META_QUOTA_BYTES", "Invalid bytes quota."),
    ("HTTP_X_CONTAINER_META_QUOTA_COUNT", "Invalid count quota."),
)


class ContainerQuotas:
    """The filter."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app
        self._gate = Gate(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            return self.app(environ, start_response)
        names = names_of(environ)
        if names is None:
            sentence = next((says for key, says in VALUES if not _is_valid(environ.get(key))), None)
            if sentence is not None:
                return Answer.text(400, sentence)(environ, start_response)
            return self.app(environ, start_response)
        if environ["REQUEST_METHOD"] == "POST":
            return self.app(environ, start_response)
        info = get_container_info(environ, self.app)
        limit = Limit.of(info.meta.get("quota-bytes"), info.meta.get("quota-count"))
        if not limit.is_set or not info.exists:
            return self.app(environ, start_response)
        path = path_of(environ, *names[:2])
        quota = Quota("/".join(("container", *names[:2])), limit, lambda: self._usage(environ, path))
        replaced = _nothing if keeps_versions(info) else lambda: size_of_stored(self.app, environ)
        return self._gate.serve(
            environ, start_response, (quota,), replaced=replaced, write_acl=info.write_acl
        )

    def _usage(self, environ: Environ, path: str) -> Amount:
        headers = usage_headers(self.app, environ, path)
        return Amount(
            int(headers.get("x-container-bytes-used", 0)), int(headers.get("x-container-object-count", 0))
        )


def keeps_versions(info: ContainerInfo) -> bool:
    """Whether what is overwritten in a container stays, hidden, and goes on counting there."""
    return true_value(info.sysmeta.get("versions-enabled", ""))


def _nothing() -> Amount:
    return NOTHING


def _is_valid(value: str | None) -> bool:
    return not value or is_quota(value)


def filter_factory(_global_conf: dict[str, str], **_local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#container_quotas`."""
    capabilities.register("container_quotas")
    return passable(ContainerQuotas, Affair(facts=True))
