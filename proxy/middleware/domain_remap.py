"""Accounts and containers in the host name: container.account.example.com/object.

    Host + path ──▶ remapped() ──▶ the path /v1/ACCOUNT/CONTAINER/OBJECT, None for other hosts, ValueError

Host names know no case and no underscore: the account's reseller prefix is found in any case, and its first
hyphen stands for the underscore behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

from ...common import info as capabilities
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from .host_names import domain_within, domains_of, host_of, locating


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRemapConfig:
    """The filter's settings."""

    storage_domain: tuple[str, ...] = setting(
        ("example.com",), help="Domains that this store answers under; empty remaps nothing."
    )
    path_root: str = setting("v1", help="API version of the paths that are made.")
    reseller_prefixes: tuple[str, ...] = setting(
        ("AUTH",), help="Prefixes of accounts; a host whose account has none of them is left alone."
    )
    default_reseller_prefix: str = setting("", help="Prefix for accounts that come without one.")
    mangle_client_paths: bool = setting(
        False,  # noqa: FBT003
        help="Let clients repeat path_root in their paths: /v1/object means /object.",
    )


def remapped(host: str, path: str, config: DomainRemapConfig) -> str | None:
    """Return the path that a request is for, or None where its host says nothing of accounts.

    Raises:
        ValueError: for a host with more in it than a container and an account.
    """
    domain = domain_within(host, domains_of(config.storage_domain))
    if domain is None:
        return None
    *containers, name = host[: -len(domain)].strip(".").split(".")
    if len(containers) > 1:
        raise ValueError("Bad domain in host header")
    account = _account(name, config)
    if account is None:
        return None
    root = config.path_root.strip("/")
    rest = path[1:]
    if config.mangle_client_paths and f"{rest}/".startswith(f"{root}/"):
        rest = rest[len(root) + 1 :]
    # Joined, never normalised: in container.account.example.com//x the object's name is "/x".
    return "/".join(("", root, account, *containers, rest))


def _account(name: str, config: DomainRemapConfig) -> str | None:
    """Return the account that a label of a host name means, or None."""
    if not config.reseller_prefixes:
        return name
    if "_" not in name:
        name = name.replace("-", "_", 1)
    given = name.partition("_")[0]
    for prefix in config.reseller_prefixes:
        if given.lower() == prefix.lower():
            return prefix + name[len(prefix) :]
    return f"{config.default_reseller_prefix}_{name}" if config.default_reseller_prefix else None


class DomainRemap:
    """The filter."""

    def __init__(self, app: WSGIApp, config: DomainRemapConfig) -> None:
        self.app = app
        self._config = config

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        asked = environ["PATH_INFO"]
        try:
            path = remapped(host_of(environ)[0], asked, self._config)
        except ValueError as problem:
            return Answer.text(400, str(problem))(environ, start_response)
        if path is None:
            return self.app(environ, start_response)
        environ["PATH_INFO"] = path
        ours, theirs = quote(path, encoding="latin-1"), quote(asked, encoding="latin-1")

        def as_asked(host: str, location: str) -> tuple[str, str]:
            return host, theirs + location[len(ours) :] if location.startswith(ours) else location

        return self.app(environ, locating(start_response, as_asked))


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], DomainRemap]:
    """PasteDeploy's entry: `use = egg:apus#domain_remap`."""
    config = parse(DomainRemapConfig, {**global_conf, **local_conf})
    capabilities.register("domain_remap", default_reseller_prefix=config.default_reseller_prefix or None)
    return lambda app: DomainRemap(app, config)
