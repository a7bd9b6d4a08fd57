"""A cluster, or single accounts, in which nothing may be changed.

    COPY, POST, PUT, DELETE ──▶ X-Account-Sysmeta-Read-Only of the account, else the setting ──▶ 405, or on

The account's system metadata is set by an operator, on the account servers: no client can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from ...common import info as capabilities
from ...common.config import parse, setting, true_value
from ...common.constraints import API_VERSIONS
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ..info import get_account_info


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlyConfig:
    """The filter's settings."""

    read_only: bool = setting(
        False,  # noqa: FBT003
        help="Refuse changes everywhere but in accounts whose X-Account-Sysmeta-Read-Only is false.",
    )
    allow_deletes: bool = setting(False, help="Allow DELETE all the same.")  # noqa: FBT003


class ReadOnly:
    """The filter."""

    def __init__(self, app: WSGIApp, config: ReadOnlyConfig) -> None:
        self.app = app
        self._read_only = config.read_only
        self._changes = frozenset(("COPY", "POST", "PUT", *(() if config.allow_deletes else ("DELETE",))))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] in self._changes and self._is_read_only(environ):
            return Answer.text(405, "Writes are disabled for this account.")(environ, start_response)
        return self.app(environ, start_response)

    def _is_read_only(self, environ: Environ) -> bool:
        pieces = environ["PATH_INFO"].split("/", 3)
        if len(pieces) < 3 or pieces[0] or pieces[1] not in API_VERSIONS or not pieces[2]:
            return False
        account = pieces[2]
        if environ["REQUEST_METHOD"] == "COPY":
            account = unquote(environ.get("HTTP_DESTINATION_ACCOUNT") or account, "latin-1")
        changed = environ if account == pieces[2] else {**environ, "PATH_INFO": f"/{pieces[1]}/{account}"}
        flag = get_account_info(changed, self.app).sysmeta.get("read-only")
        return true_value(flag) if flag else self._read_only


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], ReadOnly]:
    """PasteDeploy's entry: `use = egg:apus#read_only`."""
    config = parse(ReadOnlyConfig, {**global_conf, **local_conf})
    if config.read_only:
        capabilities.register("read_only")
    return lambda app: ReadOnly(app, config)
