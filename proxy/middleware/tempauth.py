"""Authentication and authorisation from users listed in the configuration.

    GET /auth/v1.0 + user and key ──▶ X-Auth-Token (signed: tokens.py, fernet_tokens.py), X-Storage-Url
    any request + X-Auth-Token    ──▶ environ: who it is, and `apus.authorize` for the controllers
    controller, ACL known         ──▶ authorize(environ) ──▶ None, or the 401/403 to answer with

Tokens need no shared store: every worker of every proxy with the same configuration can check them.
It does not know where ACLs are stored, nor how requests are carried out.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ...common import info
from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.config import parse, setting
from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..acl import AccountAcl, account_acl_fault, clean_acl
from ..info import get_account_info
from . import tokens
from .access_keys import KNOWN_CALLER, Secret
from .authorization import NOBODYS_GROUPS, RESELLER_ADMIN, Question, Verdict, judge, judge_by_account_acl
from .container_sync import shows_sync_key
from .fernet_tokens import FernetTokens, fernet_from_options
from .refusals import account_in, denied, names_in, unauthorized, unauthorized_for
from .resellers import Resellers
from .users import User, users_from_options

log = logging.getLogger(__name__)

_Facts = tuple[str, str, bool, bool, frozenset[str], str, str | None]
AccountAclLookup = Callable[[Environ, WSGIApp], str | None]

TOKEN_MARK = "tk"  # noqa: S105 - after the reseller prefix, as in every Swift token.
SALT_BYTES_ENOUGH = 16
GENUINE_MAX = 4096  # Tokens that a worker remembers to be genuine; forged ones are never remembered.
VERDICTS_MAX = 4096  # Of judge(), for so many people, accounts and lists.
ACL_HEADER = "HTTP_X_ACCOUNT_ACCESS_CONTROL"
ACL_SYSMETA = "HTTP_X_ACCOUNT_SYSMETA_CORE_ACCESS_CONTROL"
_ABSENT_KEY = "no user has this key, and comparing with it takes as long"


@dataclass(frozen=True, slots=True, kw_only=True)
class TempauthConfig:
    """The filter's settings; users are `user_ACCOUNT_USER = key [group ...] [url]` beside them."""

    reseller_prefix: str = setting(
        "AUTH", help="Prefixes of the accounts that this filter answers for; '' is the empty prefix."
    )
    require_group: str = setting(
        "", help="Group that an administrator of an account needs too; PREFIX_require_group for one prefix."
    )
    auth_prefix: str = setting("/auth/", help="Where tokens are asked for.")
    token_life: int = setting(86400, help="Seconds that a token is good for.", minimum=1)
    token_secret: tuple[str, ...] = setting(
        (),
        help="Signs the tokens; the same on every proxy. The first one signs and all are accepted, so that a "
        "new one can be put in front of the old. Empty: derived from swift.conf (cluster_secret or salt).",
    )
    allow_overrides: bool = setting(
        True,  # noqa: FBT003
        help="Let earlier middleware authorise a request by itself (swift.authorize_override).",
    )
    storage_url_scheme: str = setting(
        "default", help="Scheme of the X-Storage-Url handed out, where a TLS terminator stands in front."
    )
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf.")

    def __post_init__(self) -> None:
        """Refuse an authentication path that would swallow the whole name space."""
        if not self.auth_prefix.strip("/"):
            raise ValueError(f"auth_prefix = {self.auth_prefix!r}: expected a path such as /auth/")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has shown a token, as requests are judged by."""

    groups: frozenset[str]
    remote_user: str
    access_logging: dict[str, str]

    @classmethod
    def of(cls, groups: Sequence[str]) -> Caller:
        """Return who is in these groups; the second one is the user's own."""
        return cls(frozenset(groups), ",".join(groups), {"user_id": groups[min(1, len(groups) - 1)]})


@dataclass(frozen=True, slots=True)
class Identity:
    """A configured user; prepared once, at start."""

    user: User
    caller: Caller
    signing_keys: tuple[bytes, ...]
    secret: Secret
    """What S3 requests are signed with."""

    @classmethod
    def of(cls, user: User, secrets: tuple[bytes, ...]) -> Identity:
        """Return a user's, whose tokens are signed with these."""
        caller = Caller.of(user.groups)
        keys = tuple(tokens.signing_key(secret, user.name, user.key) for secret in secrets)
        account = unquote(user.storage_url.rpartition("/")[2])
        return cls(user, caller, keys, Secret(user.key, account, caller))


@dataclass(frozen=True, slots=True)
class Realm:
    """Everything that authentication knows."""

    resellers: Resellers
    identities: Mapping[str, Identity]
    fernet: FernetTokens


class TempAuth:
    """The filter."""

    def __init__(
        self,
        app: WSGIApp,
        config: TempauthConfig,
        realm: Realm,
        account_acl: AccountAclLookup,
    ) -> None:
        self.app = app
        self.config = config
        self.identities = realm.identities
        self.resellers = realm.resellers
        self.fernet = realm.fernet
        self.account_acl = account_acl
        self.auth_prefix = f"/{config.auth_prefix.strip('/')}/"
        self.reseller_prefix = realm.resellers.token_prefix
        self.token_prefix = self.reseller_prefix + TOKEN_MARK
        self._genuine: dict[str, tuple[int, Caller]] = {}
        self._verdicts: dict[_Facts, Verdict] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if self.config.allow_overrides and environ.get("swift.authorize_override"):
            return self.app(environ, start_response)
        path = environ["PATH_INFO"]
        known = environ.get(KNOWN_CALLER)
        if isinstance(known, Caller):  # Else another filter's that knows users.
            self._introduce(environ, known)
            return self.app(environ, start_response)
        if path.startswith(self.auth_prefix):
            return self.issue_token(environ)(environ, start_response)
        token = environ.get("HTTP_X_AUTH_TOKEN") or environ.get("HTTP_X_STORAGE_TOKEN")
        if token and token.startswith(self.reseller_prefix):
            caller = self.identify(token)
            if caller is not None:
                self._introduce(environ, caller)
            elif self.reseller_prefix:
                return unauthorized(path)(environ, start_response)
            elif not _has_authorizer(environ):
                environ["apus.authorize"] = denied
        elif self.resellers.prefix_of(account_in(path)):
            self._take_charge(environ)
        elif not _has_authorizer(environ):
            if self.reseller_prefix:
                environ["apus.authorize"] = denied
            else:
                self._take_charge(environ)
        return self.app(environ, start_response)

    def s3_secret(self, access_key: str) -> Secret | None:
        """Return what a user signs S3 requests with; the access key is the user's name."""
        identity = self.identities.get(access_key)
        return None if identity is None else identity.secret

    def identify(self, token: str) -> Caller | None:
        """Return whose token it is, or None when it is forged, expired, or its user is gone."""
        now = time.time()
        genuine = self._genuine.get(token)
        if genuine is None:
            genuine = self._checked(token, int(now))
            if genuine is None:
                return None
            if len(self._genuine) >= GENUINE_MAX:
                self._genuine.clear()
            self._genuine[token] = genuine
        expires, caller = genuine
        return caller if now < expires else None

    def _checked(self, token: str, now: int) -> tuple[int, Caller] | None:
        """Return when a genuine token ends, and whose it is."""
        if not token.startswith(self.token_prefix):
            opened = self.fernet.open(token.removeprefix(self.reseller_prefix), now=now)
            return None if opened is None else (opened.expires, Caller.of(opened.groups.split(",")))
        claim = tokens.open_token(token[len(self.token_prefix) :])
        identity = self.identities.get(claim.user) if claim is not None else None
        if claim is None or identity is None:
            return None
        if not any(tokens.is_genuine(claim, key=key) for key in identity.signing_keys):
            return None
        return claim.expires, identity.caller

    def _introduce(self, environ: Environ, caller: Caller) -> None:
        """Put into the environ who asks, and who judges them."""
        groups, remote_user = caller.groups, caller.remote_user
        service_token = environ.get("HTTP_X_SERVICE_TOKEN")
        if service_token:
            service = self.identify(service_token)
            if service is not None:
                groups, remote_user = groups | service.groups, f"{remote_user},{service.remote_user}"
        environ["REMOTE_USER"] = remote_user
        environ["apus.groups"] = groups
        if "swift.access_logging" in environ:
            environ["swift.access_logging"].update(caller.access_logging)
        else:
            environ["swift.access_logging"] = caller.access_logging.copy()
        if RESELLER_ADMIN in groups:
            environ["reseller_request"] = True
        self._take_charge(environ)

    def _take_charge(self, environ: Environ) -> None:
        environ["apus.authorize"] = self.authorize
        environ["swift.clean_acl"] = clean_acl

    def authorize(self, environ: Environ) -> Answer | None:
        """Return None when the request may go on, or the answer that refuses it.

        `environ["apus.acl"]` is the container's list that fits the method; controllers ask a second time
        when they have learnt it.
        """
        names = names_in(environ["PATH_INFO"])
        if names is None:
            return Answer.text(404, "The resource could not be found.")
        account, container, obj = names
        if account is None:
            return denied(environ)
        method, groups = environ["REQUEST_METHOD"], environ.get("apus.groups", NOBODYS_GROUPS)
        acl, referrer = environ.get("apus.acl") or "", environ.get("HTTP_REFERER")
        if acl:
            acl = from_wsgi(acl)
        # All that judge() looks at: the same people do the same things to the same accounts all day.
        facts = (method, account, container is None, obj is None, groups, acl, referrer)
        verdict = self._verdicts.get(facts)
        if verdict is None and self.resellers.prefix_of(account) is None:
            return denied(environ)
        if ACL_HEADER in environ:
            refusal = _take_account_acl(environ)
            if refusal is not None:
                return refusal
        if verdict is None or verdict is Verdict.UNDECIDED:
            question = Question(
                method=method,
                account=account,
                container=container,
                obj=obj,
                groups=groups,
                acl=acl,
                referrer=referrer,
            )
            verdict = self._judged(question, facts)
            if verdict is Verdict.UNDECIDED:
                account_acl = AccountAcl.parse(self.account_acl(environ, self.app))
                verdict = judge_by_account_acl(question, account_acl)
        if verdict is Verdict.DENIED:
            return None if shows_sync_key(environ) else denied(environ)
        if verdict is Verdict.OWNER:
            environ["apus.owner"] = environ["swift_owner"] = True
        return None

    def _judged(self, question: Question, facts: _Facts) -> Verdict:
        """Return what groups and the container's list say, and remember it."""
        verdict = judge(question, self.resellers)
        if len(self._verdicts) >= VERDICTS_MAX:
            self._verdicts.clear()
        self._verdicts[facts] = verdict
        return verdict

    def issue_token(self, environ: Environ) -> Answer:
        """Answer a request for a token."""
        if environ["REQUEST_METHOD"] != "GET":
            return Answer.text(405, "The method is not allowed for this resource.", {"Allow": "GET"})
        parts = environ["PATH_INFO"].removeprefix(self.auth_prefix).split("/", 2)
        if not parts[0]:
            return Answer.text(404, "The resource could not be found.")
        if parts[0] == "v1" and parts[2:] == ["auth"]:
            account, user, key = _credentials_for_account(environ, parts[1])
        elif parts[0] in ("auth", "v1.0"):
            account, user, key = _credentials(environ)
        else:
            return Answer.text(400, "Ask for a token at v1.0, auth, or v1/ACCOUNT/auth.")
        identity = self.identities.get(f"{from_wsgi(account)}:{from_wsgi(user)}") if user else None
        known_key = identity.user.key if identity is not None else _ABSENT_KEY
        if not _same(from_wsgi(key), known_key) or identity is None:
            log.info("token refused", extra={"user": f"{account}:{user}"})
            return unauthorized_for(account or "unknown")
        environ.setdefault("swift.access_logging", {}).update(identity.caller.access_logging)
        return self._token_answer(environ, identity)

    def _token_answer(self, environ: Environ, identity: Identity) -> Answer:
        """Return a fresh token and where to use it."""
        life = self.config.token_life
        now = int(time.time())
        if self.fernet.issues:
            token = self.reseller_prefix + self.fernet.issue(identity.caller.remote_user, now=now)
        else:
            signed = tokens.sign(identity.user.name, now + life, key=identity.signing_keys[0])
            token = self.token_prefix + signed
        url = identity.user.storage_url.replace("$HOST", _host_url(environ))
        if self.config.storage_url_scheme != "default":
            url = f"{self.config.storage_url_scheme}:{url.partition(':')[2]}"
        headers = {
            "X-Storage-Url": url,
            "X-Auth-Token": token,
            "X-Storage-Token": token,
            "X-Auth-Token-Expires": str(life),
            "Content-Type": "text/plain; charset=utf-8",
        }
        return Answer(200, headers)


def _credentials(environ: Environ) -> tuple[str, str, str]:
    """Return account, user and key of the form where the user's header names both."""
    name = environ.get("HTTP_X_AUTH_USER") or environ.get("HTTP_X_STORAGE_USER") or ""
    key = environ.get("HTTP_X_AUTH_KEY") or environ.get("HTTP_X_STORAGE_PASS") or ""
    account, colon, user = name.partition(":")
    return (account, user, key) if colon else ("", "", key)


def _credentials_for_account(environ: Environ, account: str) -> tuple[str, str, str]:
    """Return them of the form where the path names the account; the user is empty when they disagree."""
    key = environ.get("HTTP_X_STORAGE_PASS") or environ.get("HTTP_X_AUTH_KEY") or ""
    user = environ.get("HTTP_X_STORAGE_USER")
    if not user:
        named, _, user = (environ.get("HTTP_X_AUTH_USER") or "").partition(":")
        if named != account:
            user = ""
    return account, user, key


def _same(given: str, known: str) -> bool:
    """Whether two keys are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), known.encode("utf-8", "surrogateescape")
    )


def _take_account_acl(environ: Environ) -> Answer | None:
    """Move a well-formed X-Account-Access-Control to where it is stored, or return the 400."""
    text = environ[ACL_HEADER]
    fault = account_acl_fault(from_wsgi(text))
    if fault is not None:
        return Answer.text(400, f"X-Account-Access-Control invalid: {fault}\n\nInput: {from_wsgi(text)}\n")
    environ[ACL_SYSMETA] = environ.pop(ACL_HEADER)
    return None


def _has_authorizer(environ: Environ) -> bool:
    """Whether an earlier filter has taken charge of the request."""
    return "apus.authorize" in environ or "swift.authorize" in environ


def _host_url(environ: Environ) -> str:
    """Return scheme and host as the client reached them."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}"


def identities_of(
    options: Mapping[str, str], resellers: Resellers, secrets: tuple[bytes, ...]
) -> dict[str, Identity]:
    """Prepare every configured user."""
    return {name: Identity.of(user, secrets) for name, user in users_from_options(options, resellers).items()}


def token_secrets(config: TempauthConfig) -> tuple[bytes, ...]:
    """Return the configured secrets, or the one derived from the cluster's file."""
    if config.token_secret:
        return tuple(secret.encode() for secret in config.token_secret)
    cluster = ClusterConf.load(config.swift_dir)
    if len(cluster.secret or cluster.salt.prefix + cluster.salt.suffix) < SALT_BYTES_ENOUGH:
        log.warning(
            "tokens are signed with a guessable secret: set token_secret in [filter:tempauth]",
            extra={"derived_from": str(cluster.path)},
        )
    return (tokens.derive_secret(cluster.secret, cluster.salt.prefix, cluster.salt.suffix),)


def stored_account_acl(environ: Environ, app: WSGIApp) -> str | None:
    """Ask the proxy for the list that an account keeps."""
    stored = get_account_info(environ, app).sysmeta.get("core-access-control")
    return from_wsgi(stored) if stored else None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], TempAuth]:
    """PasteDeploy's entry: `use = egg:apus#tempauth`."""
    options = {**global_conf, **local_conf}
    config = parse(TempauthConfig, options)
    resellers = Resellers.from_options(options)
    identities = identities_of(options, resellers, token_secrets(config))
    if not identities:
        raise Refused("[filter:tempauth] names no user: add user_ACCOUNT_USER = KEY [GROUP ...]")
    info.register("tempauth", account_acls=True)
    realm = Realm(resellers, identities, fernet_from_options(options, life_seconds=config.token_life))
    return lambda app: TempAuth(app, config, realm, stored_account_acl)
