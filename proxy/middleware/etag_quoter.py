"""ETags in double quotes, as RFC 9110 wants them, where an account or a container asks for it.

    PUT, POST  X-Account-Rfc-Compliant-Etags, X-Container-…: true | false | empty ──▶ system metadata
    object     ETag: 0cc1… ──▶ ETag: "0cc1…", if the container says so, else the account, else the setting

Swift sends the ETag of an ordinary object without quotes, and many clients compare it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...common import info as capabilities
from ...common.config import parse, setting, true_value
from ...common.constraints import API_VERSIONS
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ..info import get_account_info, get_container_info
from .shortcut import Affair, passable

STORED = "rfc-compliant-etags"


@dataclass(frozen=True, slots=True, kw_only=True)
class EtagQuoterConfig:
    """The filter's settings."""

    enable_by_default: bool = setting(
        False,  # noqa: FBT003
        help="Quote ETags where neither container nor account says anything about it.",
    )


class EtagQuoter:
    """The filter."""

    def __init__(self, app: WSGIApp, config: EtagQuoterConfig) -> None:
        self.app = app
        self._enabled = config.enable_by_default

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        pieces = environ["PATH_INFO"].split("/", 4)
        depth = len(pieces) - (not pieces[-1])
        if depth < 3 or pieces[1] not in API_VERSIONS:
            return self.app(environ, start_response)
        if depth < 5:
            return self._serve_setting(environ, start_response, "ACCOUNT" if depth == 3 else "CONTAINER")

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            for at, (name, value) in enumerate(headers):
                # Length first: nearly all names differ in it, and it is all that is asked of most answers.
                if len(name) == 4 and name.lower() == "etag" and not is_quoted(value):
                    if self._is_wanted(environ):
                        headers = [*headers[:at], (name, f'"{value}"'), *headers[at + 1 :]]
                    break
            return start_response(status, headers, exc_info)

        return self.app(environ, start)

    def _is_wanted(self, environ: Environ) -> bool:
        """Whether clients of this container are given quotes; its facts are known by now."""
        container = get_container_info(environ, self.app)
        if not container.exists:
            return False
        flag = container.sysmeta.get(STORED)
        if flag is None:
            flag = get_account_info(environ, self.app).sysmeta.get(STORED)
        return self._enabled if flag is None else true_value(flag)

    def _serve_setting(self, environ: Environ, start_response: StartResponse, kind: str) -> Iterable[bytes]:
        """Serve an account or a container, whose setting is stored as system metadata."""
        wish = environ.get(f"HTTP_X_{kind}_RFC_COMPLIANT_ETAGS")
        stored = f"HTTP_X_{kind}_SYSMETA_RFC_COMPLIANT_ETAGS"
        if wish is not None:
            environ[stored] = str(true_value(wish)) if wish else ""
        if environ.get(f"HTTP_X_REMOVE_{kind}_RFC_COMPLIANT_ETAGS"):
            environ[stored] = ""
        internal = f"x-{kind.lower()}-sysmeta-{STORED}"
        shown = f"X-{kind.title()}-Rfc-Compliant-Etags"

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            named = [(shown if name.lower() == internal else name, value) for name, value in headers]
            return start_response(status, named, exc_info)

        return self.app(environ, start)


def is_quoted(etag: str) -> bool:
    """Whether an ETag is as the RFC wants it already, strong or weak."""
    return etag.startswith(('"', 'W/"')) and etag.endswith('"') and len(etag) > 1


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """PasteDeploy's entry: `use = egg:apus#etag_quoter`."""
    config = parse(EtagQuoterConfig, {**global_conf, **local_conf})
    capabilities.register("etag_quoter", enable_by_default=config.enable_by_default)
    if config.enable_by_default:
        return lambda app: EtagQuoter(app, config)
    return passable(lambda app: EtagQuoter(app, config), Affair(known_facts=True))
