"""Whether somebody with a Keystone token may do what they ask: stock's rules, as functions of values.

    auth_token's headers ──person_in()──▶ Person, or None: anonymous
    Person, Question, rules ──judge()──▶ OWNER | ALLOWED | DENIED
    Question ──judge_anonymous()──▶ ALLOWED | DENIED

A project's account is a reseller prefix and the project's id. Lists name people as PROJECT:USER by ids; names
count only among accounts of the default domain, because elsewhere somebody else may bear the same name.

It does not know tokens, nor where lists and an account's domain are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...common.http.wsgi import Environ, from_wsgi
from ..acl import LISTINGS_WORD, NOBODY, ContainerAcl
from .authorization import READS, Verdict
from .resellers import Resellers

CONFIRMED = "Confirmed"
UNKNOWN_DOMAIN = "_unknown"
"""Stored where an account was made by somebody of another project; no domain has this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a token speaks for, within which project; roles are in lower case."""

    user_id: str | None = None
    user_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    user_domain: str | None = None
    project_domain: str | None = None
    roles: frozenset[str] = frozenset()
    service_roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """What roles are good for, on accounts of one prefix."""

    operator_roles: frozenset[str]
    service_roles: frozenset[str]
    project_reader_roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What roles are good for."""

    resellers: Resellers
    accounts: Mapping[str, AccountRules]
    """By prefix."""
    reseller_admin_role: str
    system_reader_roles: frozenset[str]
    default_domain_id: str
    allow_names_in_acls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody wants to do; `acl` is the container's list that fits the method, where one is known."""

    method: str
    account: str
    container: str | None = None
    obj: str | None = None
    acl: ContainerAcl = NOBODY
    referrer: str | None = None
    is_sync: bool = False
    """Whether it shows the container's own synchronisation key."""
    names_count: bool = False
    """Whether names on the list count, beside ids."""


def person_in(environ: Environ) -> Person | None:
    """Return whom auth_token has found; None unless every token that was shown is good."""
    if environ.get("HTTP_X_IDENTITY_STATUS") != CONFIRMED:
        return None
    if environ.get("HTTP_X_SERVICE_IDENTITY_STATUS", CONFIRMED) != CONFIRMED:
        return None
    knows_domains = "token" in environ.get("keystone.token_info", {})  # The tokens of Keystone v3.
    return Person(
        user_id=_text(environ, "HTTP_X_USER_ID"),
        user_name=_text(environ, "HTTP_X_USER_NAME"),
        project_id=_text(environ, "HTTP_X_PROJECT_ID") or _text(environ, "HTTP_X_TENANT_ID"),
        project_name=_text(environ, "HTTP_X_PROJECT_NAME") or _text(environ, "HTTP_X_TENANT_NAME"),
        user_domain=_text(environ, "HTTP_X_USER_DOMAIN_ID") if knows_domains else None,
        project_domain=_text(environ, "HTTP_X_PROJECT_DOMAIN_ID") if knows_domains else None,
        roles=role_names(environ.get("HTTP_X_ROLES", "")),
        service_roles=role_names(environ.get("HTTP_X_SERVICE_ROLES", "")),
    )


def _text(environ: Environ, key: str) -> str | None:
    value: str | None = environ.get(key)
    try:
        return from_wsgi(value) if value else None
    except UnicodeEncodeError:
        return value  # auth_token leaves names as they are, not as a WSGI string.


def role_names(text: str) -> frozenset[str]:
    """Return the roles of a comma-separated list, in lower case."""
    return frozenset(word.strip().lower() for word in text.split(",") if word.strip())


def owns(person: Person, account: str, resellers: Resellers) -> bool:
    """Whether an account is that of the person's project, under any prefix."""
    project = person.project_id
    return project is not None and any(prefix + project == account for prefix in resellers.prefixes)


def judge(person: Person, question: Question, rules: Rules) -> Verdict:
    """Return what somebody with a token gets."""
    if question.method == "OPTIONS":
        return Verdict.ALLOWED
    if rules.reseller_admin_role in person.roles:
        return Verdict.OWNER
    reads = question.method in READS
    if reads and not rules.system_reader_roles.isdisjoint(person.roles):
        return Verdict.ALLOWED
    if question.container is None and question.method == "DELETE":
        return Verdict.DENIED
    is_own = owns(person, question.account, rules.resellers)
    if is_own:
        mine = rules.accounts[rules.resellers.prefix_of(question.account) or ""]
        if not mine.operator_roles.isdisjoint(person.roles) and (
            not mine.service_roles or not mine.service_roles.isdisjoint(person.service_roles)
        ):
            return Verdict.OWNER
        if reads and not mine.project_reader_roles.isdisjoint(person.roles):
            return Verdict.ALLOWED
    return Verdict.ALLOWED if _is_listed(person, question, is_own=is_own) else Verdict.DENIED


def _is_listed(person: Person, question: Question, *, is_own: bool) -> bool:
    """Whether the container's list lets somebody in; roles are on it for those of its own project."""
    acl = question.acl
    if acl.admits_group(_names_of(person, names_count=question.names_count)):
        return True
    public = _admits_anybody(question)
    if public is not None:
        return public
    return is_own and not {group.lower() for group in acl.groups}.isdisjoint(person.roles)


def judge_anonymous(question: Question, rules: Rules) -> Verdict:
    """Return what somebody without a good token gets."""
    if question.method == "OPTIONS":
        return Verdict.ALLOWED
    if rules.resellers.prefix_of(question.account) is None:
        return Verdict.DENIED
    return Verdict.ALLOWED if _admits_anybody(question) else Verdict.DENIED


def _admits_anybody(question: Question) -> bool | None:
    """Whether no token is needed; None where neither key nor referrer says anything about it.

    A list that lets referrers read objects says no to a listing, unless .rlistings is on it too.
    """
    if question.is_sync:
        return True
    if not question.acl.admits_referrer(question.referrer, listing=False):
        return None
    return question.obj is not None or LISTINGS_WORD in question.acl.groups


def _names_of(person: Person, *, names_count: bool) -> Iterator[str]:
    """Yield the elements of a list that mean this person."""
    projects = [person.project_id, "*"] + ([person.project_name] if names_count else [])
    users = [person.user_id, "*"] + ([person.user_name] if names_count else [])
    for project in projects:
        for user in users:
            if project is not None and user is not None:
                yield f"{project}:{user}"


def names_may_count(person: Person, rules: Rules) -> bool:
    """Whether names may mean somebody at all: user and project are of the default domain, or of none."""
    domains = (person.user_domain, person.project_domain)
    return rules.allow_names_in_acls and all(domain in (None, rules.default_domain_id) for domain in domains)


def domain_to_note(
    person: Person, *, is_own: bool, exists: bool, noted: str | None, rules: Rules
) -> str | None:
    """Return which domain shall be stored with an account that is written to, None to leave it as it is.

    `noted` is what is stored already. What is not known yet is told by whoever comes from the account's
    own project.
    """
    told = person.project_domain if is_own else None
    if not exists:
        return told if is_own else UNKNOWN_DOMAIN
    if noted is None and told == rules.default_domain_id:
        return told
    if noted == UNKNOWN_DOMAIN and is_own:
        return told or ""
    return None
