"""Tokens and access keys of our own identity service, checked here.

    X-Auth-Token, X-Service-Token ──verify──▶ X-Identity-Status, X-User-Id, X-Roles … ──▶ keystoneauth
    S3's door ──s3_secret(access key)──▶ the secret, and whom it speaks for (identity_keys.py)

It stands right before keystoneauth, where keystonemiddleware's auth_token would with OpenStack's Keystone,
and says what that says. Nobody is asked about a token. A request without a good one goes on as nobody's:
containers may be open to the world, and other filters may vouch for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...common import info
from ...common.config import parse, setting
from ...common.errors import Unavailable
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, to_wsgi
from ...common.identity import Identity, Login, TokenRefused, Verifier
from .access_keys import KNOWN_CALLER, Secret
from .identity_keys import AccessKeys
from .resellers import Resellers
from .s3.errors import S3Error

log = logging.getLogger(__name__)

SERVICE_TYPE = "object-store"
CONFIRMED, INVALID = "Confirmed", "Invalid"
_FACTS = (
    "USER_ID",
    "USER_NAME",
    "USER_DOMAIN_ID",
    "USER_DOMAIN_NAME",
    "PROJECT_ID",
    "PROJECT_NAME",
    "PROJECT_DOMAIN_ID",
    "PROJECT_DOMAIN_NAME",
    "DOMAIN_ID",
    "DOMAIN_NAME",
    "ROLES",
    "IDENTITY_STATUS",
)
_OLD_NAMES = ("TENANT_ID", "TENANT_NAME", "TENANT", "USER", "ROLE", "SYSTEM_SCOPE")
CLAIMED = frozenset(
    [f"HTTP_X_{name}" for name in (*_FACTS, *_OLD_NAMES)] + [f"HTTP_X_SERVICE_{name}" for name in _FACTS]
)
"""What only this filter may say; from a client it would be a lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityTokenConfig:
    """The filter's settings."""

    token_keys: str = setting(
        "/etc/apus/identity/public",
        help="Folder of the identity service's public keys; its own where that is on this machine.",
    )
    identity_url: str = setting(
        "http://127.0.0.1:5000",
        help="Where the identity service is: access keys are asked for there, and on other machines than its "
        "own new keys and revocations, too.",
    )
    username: str = setting("cloud", help="Whom access keys are asked for as; needs the role service.")
    password: str = setting("", help="That user's password. Empty: S3 has no users.")
    project_name: str = setting("service", help="That user's project.")
    domain_id: str = setting("default", help="Domain of both.")
    reseller_prefix: str = setting(
        "AUTH", help="With the first of these a project's id is an account's name."
    )


class IdentityToken:
    """The filter."""

    def __init__(
        self, app: WSGIApp, verifier: Verifier, keys: AccessKeys | None, *, account_prefix: str
    ) -> None:
        self.app = app
        self._verifier = verifier
        self._keys = keys
        self._account_prefix = account_prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        for key in CLAIMED.intersection(environ):
            del environ[key]
        environ.pop("keystone.token_info", None)
        known = environ.get(KNOWN_CALLER)
        token = environ.get("HTTP_X_AUTH_TOKEN") or environ.get("HTTP_X_STORAGE_TOKEN")
        service_token = environ.get("HTTP_X_SERVICE_TOKEN")
        try:
            if isinstance(known, Identity):
                introduce(environ, known)
            elif token:
                introduce(environ, self._holder(environ, token))
            if service_token:
                introduce(environ, self._holder(environ, service_token), service=True)
        except Unavailable as problem:
            log.warning("tokens cannot be checked", extra={"problem": str(problem)})
            answer = Answer.text(503, "Tokens cannot be checked at the moment.", {"Retry-After": "1"})
            return answer(environ, start_response)
        return self.app(environ, start_response)

    def s3_secret(self, access_key: str) -> Secret | None:
        """Return what an access key signs with; S3's door asks, and hears in S3's words if nobody can tell.

        Raises:
            S3Error: the identity service does not answer.
        """
        if self._keys is None:
            return None
        try:
            found = self._keys.find(access_key)
            if found is not None and self._verifier.is_revoked(found.identity):
                self._keys.forget(access_key)
                found = self._keys.find(access_key)
        except Unavailable as problem:
            log.warning("an access key cannot be asked for", extra={"problem": str(problem)})
            raise S3Error("ServiceUnavailable", headers={"Retry-After": "1"}) from problem
        if found is None or found.identity.project_id is None:
            return None
        return Secret(found.secret, self._account_prefix + found.identity.project_id, found.identity)

    def _holder(self, environ: Environ, token: str) -> Identity | None:
        """Return whose token it is, None where it is good for nothing here."""
        try:
            path = from_wsgi(environ["PATH_INFO"])
            return self._verifier.verify(token, method=environ["REQUEST_METHOD"], path=path)
        except TokenRefused as problem:
            log.info("token refused", extra={"problem": str(problem)})
            return None


def introduce(environ: Environ, who: Identity | None, *, service: bool = False) -> None:
    """Say who asks, or by which service, as auth_token says it."""
    mark = "HTTP_X_SERVICE_" if service else "HTTP_X_"
    environ[f"{mark}IDENTITY_STATUS"] = CONFIRMED if who is not None else INVALID
    if who is None:
        return
    facts = {
        "USER_ID": who.user_id,
        "USER_NAME": who.user_name,
        "USER_DOMAIN_ID": who.user_domain_id,
        "USER_DOMAIN_NAME": who.user_domain_name,
        "PROJECT_ID": who.project_id,
        "PROJECT_NAME": who.project_name,
        "PROJECT_DOMAIN_ID": who.project_domain_id,
        "PROJECT_DOMAIN_NAME": who.project_domain_name,
        "DOMAIN_ID": who.domain_id,
        "DOMAIN_NAME": who.domain_name,
        "ROLES": ",".join(who.roles),
    }
    for name, value in facts.items():
        if value is not None:
            environ[mark + name] = to_wsgi(value)
    if not service:
        environ["keystone.token_info"] = {"token": {"methods": list(who.methods)}}


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], IdentityToken]:
    """PasteDeploy's entry: `use = egg:apus#identity_token`."""
    options = {**global_conf, **local_conf}
    config = parse(IdentityTokenConfig, options)
    verifier = Verifier.of(config.token_keys, config.identity_url, service_type=SERVICE_TYPE)
    keys = None
    if config.password:
        login = Login(
            identity_url=config.identity_url,
            user=config.username,
            password=config.password,
            project=config.project_name,
            domain_id=config.domain_id,
        )
        keys = AccessKeys(login, clock=time.monotonic)
    prefix = Resellers.from_options({"reseller_prefix": config.reseller_prefix}).token_prefix
    info.register("identity_token")
    return lambda app: IdentityToken(app, verifier, keys, account_prefix=prefix)
