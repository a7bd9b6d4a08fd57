"""Authorisation by Keystone's projects and roles.

    keystonemiddleware's auth_token ──X-Identity-Status, X-Roles …──▶ keystoneauth
    controller, ACL known ──▶ authorize(environ) ──▶ None, or the 401/403 to answer with

auth_token stands before this filter in the pipeline and asks Keystone about tokens; it is somebody else's
program, and whoever configures it installs it (`apus[keystone]`). Without it in front anybody could claim to
be anybody. What roles are good for is decided in keystone_authorization.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ...common import info
from ...common.config import parse, setting, true_value
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..acl import ContainerAcl, clean_acl
from ..info import get_account_info
from .authorization import Verdict
from .container_sync import shows_sync_key
from .keystone_authorization import (
    AccountRules,
    Person,
    Question,
    Rules,
    domain_to_note,
    judge,
    judge_anonymous,
    names_may_count,
    owns,
    person_in,
    role_names,
)
from .refusals import denied, names_in
from .resellers import EMPTY, Resellers

log = logging.getLogger(__name__)

DOMAIN_SYSMETA = "project-domain-id"
DOMAIN_KEY = "HTTP_X_ACCOUNT_SYSMETA_PROJECT_DOMAIN_ID"
DOMAIN_STORED = "x-account-sysmeta-project-domain-id"
DOMAIN_SHOWN = "X-Account-Project-Domain-Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneauthConfig:
    """The filter's settings; PREFIX_operator_roles and so on are for the accounts of one prefix."""

    reseller_prefix: str = setting(
        "AUTH", help="Prefixes that make a project's id an account's name; '' is the empty prefix."
    )
    operator_roles: tuple[str, ...] = setting(
        ("admin", "swiftoperator"), help="Who has one of these roles in a project owns its account."
    )
    service_roles: tuple[str, ...] = setting(
        (),
        help="Where set, owning an account also takes an X-Service-Token of a user with one of these roles.",
    )
    project_reader_roles: tuple[str, ...] = setting(
        (), help="Who has one of these roles in a project may read everything in its account."
    )
    system_reader_roles: tuple[str, ...] = setting(
        (), help="Who has one of these roles may read everything in every account."
    )
    reseller_admin_role: str = setting(
        "ResellerAdmin", help="Who has this role may do everything in every account."
    )
    default_domain_id: str = setting(
        "default", help="Domain within which names on access lists count; elsewhere only ids do."
    )
    allow_names_in_acls: bool = setting(
        True,  # noqa: FBT003
        help="Whether names on access lists count at all.",
    )
    allow_overrides: bool = setting(
        True,  # noqa: FBT003
        help="Let earlier middleware authorise a request by itself (swift.authorize_override).",
    )


class KeystoneAuth:
    """The filter."""

    def __init__(self, app: WSGIApp, rules: Rules, *, allow_overrides: bool) -> None:
        self.app = app
        self.rules = rules
        self.allow_overrides = allow_overrides

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        _drop_headers_without_value(environ)
        if self.allow_overrides and environ.get("swift.authorize_override"):
            return self.app(environ, start_response)
        person = person_in(environ)
        if person is not None:
            self._introduce(environ, person)
        environ["apus.authorize"] = partial(self.authorize, person)
        environ["swift.clean_acl"] = clean_acl
        if environ["PATH_INFO"].count("/") < 4:  # Only an account's answer can tell its domain.
            start_response = _showing_domain(start_response)
        return self.app(environ, start_response)

    def _introduce(self, environ: Environ, person: Person) -> None:
        """Put into the environ who asks."""
        environ["REMOTE_USER"] = person.project_id or person.user_id
        if self.rules.reseller_admin_role in person.roles:
            environ["reseller_request"] = True
        environ.setdefault("swift.access_logging", {})["user_id"] = person.user_id or person.user_name

    def authorize(self, person: Person | None, environ: Environ) -> Answer | None:
        """Return None when the request may go on, or the answer that refuses it.

        `environ["apus.acl"]` is the container's list that fits the method; controllers ask a second time
        when they have learnt it.
        """
        for key in ("apus.owner", "swift_owner"):  # A request that goes on to another account starts anew.
            environ.pop(key, None)
        names = names_in(environ["PATH_INFO"])
        if names is None:
            return Answer.text(404, "The resource could not be found.")
        account, container, obj = names
        acl = environ.get("apus.acl")
        question = Question(
            method=environ["REQUEST_METHOD"],
            account=account or "",
            container=container,
            obj=obj,
            acl=ContainerAcl.parse(from_wsgi(acl) if acl else None),
            referrer=environ.get("HTTP_REFERER"),
            is_sync=shows_sync_key(environ),
        )
        if person is None:
            verdict = judge_anonymous(question, self.rules)
        else:
            self._note_domain(person, question, environ)
            if question.acl.groups and self._names_count(person, question, environ):
                question = replace(question, names_count=True)
            verdict = judge(person, question, self.rules)
        if verdict is Verdict.OWNER:
            environ["apus.owner"] = environ["swift_owner"] = True
        return denied(environ) if verdict is Verdict.DENIED else None

    def _names_count(self, person: Person, question: Question, environ: Environ) -> bool:
        """Whether names on a list count: account, user and project are all of the default domain."""
        if not names_may_count(person, self.rules):
            return False
        if owns(person, question.account, self.rules.resellers):
            return True
        account = get_account_info(environ, self.app)
        domains = (None, self.rules.default_domain_id)
        return account.really_exists and account.sysmeta.get(DOMAIN_SYSMETA) in domains

    def _note_domain(self, person: Person, question: Question, environ: Environ) -> None:
        """Have the account's domain stored with it, in requests that may create or change it."""
        writes_account = question.method in ("PUT", "POST") and question.container is None
        may_create = question.method == "PUT" and question.obj is None
        if not (writes_account or may_create) or DOMAIN_KEY in environ:
            return
        account = get_account_info(environ, self.app)
        is_own = owns(person, question.account, self.rules.resellers)
        noted = account.sysmeta.get(DOMAIN_SYSMETA)
        found = domain_to_note(
            person, is_own=is_own, exists=account.really_exists, noted=noted, rules=self.rules
        )
        if found is not None:
            environ[DOMAIN_KEY] = found
        elif is_own and account.really_exists and noted not in (None, person.project_domain):
            log.warning(
                "an account's project has another domain than the account was created in",
                extra={"account": question.account, "token": person.project_domain, "account_domain": noted},
            )


def _drop_headers_without_value(environ: Environ) -> None:
    """Take out what auth_token leaves as None, where a token has no such fact: no header is like that."""
    for key in [key for key, value in environ.items() if value is None and key.startswith("HTTP_")]:
        del environ[key]


def _showing_domain(start_response: StartResponse) -> StartResponse:
    """Return one that tells the account's domain, where the answer has it."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        stored = next((value for name, value in headers if name.lower() == DOMAIN_STORED), None)
        if stored:
            headers = [*headers, (DOMAIN_SHOWN, stored)]
        return start_response(status, headers, exc_info)

    return start


def rules_from_options(options: Mapping[str, str]) -> Rules:
    """Read what roles are good for, and where on accounts of some prefix they are good for something else."""
    config = parse(KeystoneauthConfig, options)
    resellers = Resellers.from_options(options)

    def account_rules(prefix: str) -> AccountRules:
        def roles(name: str) -> frozenset[str]:
            ours: str | None = options.get(f"{prefix or EMPTY}{name}")
            return role_names(ours if ours else ",".join(getattr(config, name)))

        return AccountRules(
            operator_roles=roles("operator_roles"),
            service_roles=roles("service_roles"),
            project_reader_roles=roles("project_reader_roles"),
        )

    return Rules(
        resellers=resellers,
        accounts={prefix: account_rules(prefix) for prefix in resellers.prefixes},
        reseller_admin_role=config.reseller_admin_role.lower(),
        system_reader_roles=role_names(",".join(config.system_reader_roles)),
        default_domain_id=config.default_domain_id,
        allow_names_in_acls=config.allow_names_in_acls,
    )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], KeystoneAuth]:
    """PasteDeploy's entry: `use = egg:apus#keystoneauth`."""
    options = {**global_conf, **local_conf}
    config = parse(KeystoneauthConfig, options)
    rules = rules_from_options(options)
    if true_value(options.get("is_admin", "")):
        log.warning("is_admin has no meaning any more: give such users a role of operator_roles instead")
    info.register("keystoneauth")
    return lambda app: KeystoneAuth(app, rules, allow_overrides=config.allow_overrides)
