"""What is known of an account or a container without reading its listing.

    storage server's headers ──▶ AccountInfo / ContainerInfo ──▶ controllers, quotas, ACL checks
    middleware ──get_container_info(environ, app)──▶ the proxy at the pipeline's end, or a HEAD

Facts only; where they are asked for and remembered is infos.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from ..common.errors import Refused
from ..common.http.wsgi import Environ, WSGIApp, from_wsgi, let_go, to_wsgi


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """An account; `status` is the storage servers' word, 0 when nobody was asked."""

    status: int = 0
    really_exists: bool = False
    """False for an account that would only be created by its first container."""
    container_count: int = 0
    object_count: int = 0
    bytes_used: int = 0
    meta: Mapping[str, str] = field(default_factory=dict)
    sysmeta: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Tell whether requests to it may go on."""
        return self.status // 100 == 2

    @property
    def is_plain(self) -> bool:
        """Tell whether no filter has to know anything of it to serve its objects."""
        return self.status // 100 == 2 and not self.sysmeta and "quota-bytes" not in self.meta

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], *, really_exists: bool = True) -> AccountInfo:
        """Read it from an account server's answer."""
        lower = {name.lower(): value for name, value in headers.items()}
        return cls(
            status=status,
            really_exists=really_exists and status // 100 == 2,
            container_count=_number(lower.get("x-account-container-count")),
            object_count=_number(lower.get("x-account-object-count")),
            bytes_used=_number(lower.get("x-account-bytes-used")),
            meta=_under("x-account-meta-", lower),
            sysmeta=_under("x-account-sysmeta-", lower),
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-like values, for a shared cache."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerInfo:
    """A container; `status` is the storage servers' word, 0 when nobody was asked."""

    status: int = 0
    policy_index: int = 0
    read_acl: str | None = None
    write_acl: str | None = None
    sync_key: str | None = None
    sync_to: str | None = None
    versions_location: str | None = None
    object_count: int = 0
    bytes_used: int = 0
    sharding_state: str = "unsharded"
    meta: Mapping[str, str] = field(default_factory=dict)
    sysmeta: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Tell whether objects may be put into it."""
        return self.status // 100 == 2

    @property
    def is_plain(self) -> bool:
        """Tell whether no filter has to know anything of it to serve its objects."""
        return (
            self.status // 100 == 2
            and not self.sysmeta
            and self.versions_location is None
            and "quota-bytes" not in self.meta
            and "quota-count" not in self.meta
        )

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str]) -> ContainerInfo:
        """Read it from a container server's answer."""
        lower = {name.lower(): value for name, value in headers.items()}
        return cls(
            status=status,
            policy_index=_number(lower.get("x-backend-storage-policy-index")),
            read_acl=lower.get("x-container-read"),
            write_acl=lower.get("x-container-write"),
            sync_key=lower.get("x-container-sync-key"),
            sync_to=lower.get("x-container-sync-to"),
            versions_location=lower.get("x-versions-location"),
            object_count=_number(lower.get("x-container-object-count")),
            bytes_used=_number(lower.get("x-container-bytes-used")),
            sharding_state=lower.get("x-backend-sharding-state", "unsharded"),
            meta=_under("x-container-meta-", lower),
            sysmeta=_under("x-container-sysmeta-", lower),
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-like values, for a shared cache."""
        return asdict(self)


@runtime_checkable
class InfoSource(Protocol):
    """Who knows; the proxy application does."""

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        """Return what is known of an account."""

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return what is known of a container."""


@runtime_checkable
class InfoMemory(Protocol):
    """Who knows some things without asking; the proxy application does."""

    @property
    def remembers_plain(self) -> Callable[[str, str], bool]:
        """Tells of `account/container` and `account` whether both are known to be plain."""


def get_account_info(environ: Environ, app: WSGIApp) -> AccountInfo:
    """Return what is known of the account that a request is for; no authorisation is asked."""
    known: tuple[str, AccountInfo] | None = environ.get(_ACCOUNT)
    if known is not None and known[0] is environ["PATH_INFO"]:
        return known[1]
    account, _ = _names(environ)
    if account is None:
        return AccountInfo()
    source = _source(app)
    if source is not None:
        info = source.account_info(environ, account)
    else:
        status, headers = _head(environ, app, account)
        info = AccountInfo.of(status, headers, really_exists=_FAKE not in headers)
    if info.exists:
        environ[_ACCOUNT] = environ["PATH_INFO"], info
    return info


def get_container_info(environ: Environ, app: WSGIApp) -> ContainerInfo:
    """Return what is known of the container that a request is for; no authorisation is asked."""
    known: tuple[str, ContainerInfo] | None = environ.get(_CONTAINER)
    if known is not None and known[0] is environ["PATH_INFO"]:
        return known[1]
    account, container = _names(environ)
    if account is None or container is None:
        return ContainerInfo()
    source = _source(app)
    if source is not None:
        info = source.container_info(environ, account, container)
    else:
        info = ContainerInfo.of(*_head(environ, app, account, container))
    if info.exists:
        environ[_CONTAINER] = environ["PATH_INFO"], info
    return info


def container_info_at(environ: Environ, app: WSGIApp, account: str, container: str) -> ContainerInfo:
    """Return what is known of another container than the one that a request is for; names are text.

    No authorisation is asked.
    """
    source = _source(app)
    if source is not None:
        return source.container_info(environ, account, container)
    path = to_wsgi(f"/v1/{account}/{container}")
    return ContainerInfo.of(*_head({**environ, "PATH_INFO": path}, app, account, container))


def has_plain_facts(environ: Environ, app: WSGIApp) -> bool:
    """Tell whether container and account of an object are there, with nothing that a filter has to know."""
    return get_container_info(environ, app).is_plain and get_account_info(environ, app).is_plain


_ACCOUNT, _CONTAINER = "apus.account_facts", "apus.container_facts"
"""Where a request keeps, with the path they are of, the facts that several filters ask for: 0.2 µs, not 2."""
_FAKE = "X-Backend-Fake-Account-Listing"


def _names(environ: Environ) -> tuple[str | None, str | None]:
    pieces = from_wsgi(environ["PATH_INFO"]).split("/", 4)
    account = pieces[2] if len(pieces) > 2 else ""
    container = pieces[3] if len(pieces) > 3 else ""
    return account or None, container or None


def plain_memory(app: WSGIApp) -> Callable[[str, str], bool]:
    """Return what tells whether a container and its account are remembered to be plain; it asks nobody."""
    source = _source(app)
    return source.remembers_plain if isinstance(source, InfoMemory) else _remembers_nothing


def _remembers_nothing(_container: str, _account: str) -> bool:
    return False


@lru_cache(maxsize=256)  # Each filter asks on each request, and to look for the protocol takes 40 µs.
def _source(app: object) -> InfoSource | None:
    """Return the proxy at the end of the pipeline; filters keep the next as `app`, Keystone's as `_app`."""
    while app is not None:
        if isinstance(app, InfoSource):
            return app
        app = getattr(app, "app", None) or getattr(app, "_app", None)
    return None


def _head(environ: Environ, app: WSGIApp, *names: str) -> tuple[int, dict[str, str]]:
    """Ask the rest of the pipeline, whose end isn't ours, as an authorised HEAD."""
    pieces = environ["PATH_INFO"].split("/")[: 2 + len(names)]
    asking = {
        **{key: value for key, value in environ.items() if not key.startswith("HTTP_")},
        "REQUEST_METHOD": "HEAD",
        "PATH_INFO": "/".join(pieces),
        "QUERY_STRING": "",
        "REMOTE_USER": ".wsgi.pre_authed",  # No visitor, whom staticweb would show a page.
        "apus.owner": True,
        "swift_owner": True,
        "apus.authorize": lambda _environ: None,
        "swift.authorize": lambda _request: None,
        "swift.authorize_override": True,
    }
    asking.pop("CONTENT_LENGTH", None)
    answered: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _problem: object = None) -> None:
        answered.append((int(status.split()[0]), dict(headers)))

    body = app(asking, start_response)
    try:
        for _ in body:
            pass
    finally:
        let_go(body)
    if not answered:
        raise Refused("the rest of the pipeline gave no answer", 500)
    return answered[-1]


def _under(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0
