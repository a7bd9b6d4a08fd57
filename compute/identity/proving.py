"""How somebody shows who they are.

    {"methods": ["password"], "password": {"user": {…}}} ──prove()──▶ Proof, or Unauthorized

All methods that are named must hold, and mean the same user. What is wrong is never told, and takes as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from ...common.identity import AccessRule, Identity, TokenRefused
from ...common.identity.verifier import judged
from ..api.faults import BadRequest, Forbidden, Unauthorized
from . import policy, tables
from .issuing import Proof
from .lockout import confirmed
from .world import Record, World, record


def unauthorized() -> Unauthorized:
    """Return what everybody is told who has not shown who they are."""
    return Unauthorized("The request you have made requires authentication.")


def prove(world: World, identity: Any) -> Proof:
    """Return who it is.

    Raises:
        BadRequest: the document is not as the API says.
        Unauthorized: something does not hold.
        Forbidden: the token may not be exchanged.
    """
    if (
        not isinstance(identity, dict)
        or not isinstance(identity.get("methods"), list)
        or not identity["methods"]
    ):
        raise BadRequest("'identity' must name 'methods'.")
    proof: Proof | None = None
    for method in dict.fromkeys(identity["methods"]):
        check = METHODS.get(method) if isinstance(method, str) else None
        if check is None:
            raise unauthorized()
        given = identity.get(method)
        if not isinstance(given, dict):
            raise BadRequest(f"'identity' must say {method!r}.")
        shown = check(world, given)
        proof = shown if proof is None else _both(proof, shown)
    assert proof is not None
    return proof


def _both(one: Proof, other: Proof) -> Proof:
    """Return what follows from two proofs: the narrower of each."""
    if one.user["id"] != other.user["id"]:
        raise unauthorized()
    if one.application_credential is not None or other.application_credential is not None:
        raise BadRequest("An application credential stands alone.")
    ends = [each.expires_at for each in (one, other) if each.expires_at is not None]
    return replace(
        one,
        methods=tuple(dict.fromkeys((*one.methods, *other.methods))),
        expires_at=min(ends) if ends else None,
        chain_id=one.chain_id or other.chain_id,
        may_rescope=one.may_rescope and other.may_rescope,
        project_id=one.project_id or other.project_id,
    )


def _password(world: World, given: Mapping[str, Any]) -> Proof:
    user = given.get("user")
    if not isinstance(user, dict) or not isinstance(user.get("password"), str):
        raise BadRequest("'password' must name 'user' with 'password'.")
    with world.read() as connection:
        row = referred_user(connection, user, world.config.default_domain_id)
        usable = row is not None and domain_enabled(connection, row["domain_id"])
    if not confirmed(world, row if usable else None, user["password"]):
        raise unauthorized()
    assert row is not None
    return Proof(user=row, methods=("password",))


def _token(world: World, given: Mapping[str, Any]) -> Proof:
    if not isinstance(given.get("id"), str):
        raise BadRequest("'token' must have an 'id'.")
    try:
        who = judged(given["id"], world.publisher.current(), now=world.clock())
    except TokenRefused as problem:
        raise unauthorized() from problem
    with world.read() as connection:
        if not stands(connection, who):
            raise unauthorized()
        row = connection.execute(select(tables.users).where(tables.users.c.id == who.user_id)).one()
    if who.access_rules is not None:
        raise Forbidden("A token that is good for some requests only cannot be exchanged.")
    return Proof(
        user=record(row),
        methods=tuple(dict.fromkeys((*who.methods, "token"))),
        expires_at=who.expires_at,
        chain_id=who.parent_audit_id or who.audit_id,
        may_rescope=policy.may_rescope(who),
        project_id=None if policy.may_rescope(who) else who.project_id,
    )


def _application_credential(world: World, given: Mapping[str, Any]) -> Proof:
    secret = given.get("secret")
    if not isinstance(secret, str):
        raise BadRequest("'application_credential' must have a 'secret'.")
    with world.read() as connection:
        row = _referred_credential(connection, given, world.config.default_domain_id)
        user = _enabled_user(connection, row["user_id"]) if row is not None else None
        rules = rules_of(connection, row) if row is not None else None
    fits = world.passwords.is_right(secret, row["secret_hash"] if row is not None else None)
    if row is None or user is None or not fits:
        raise unauthorized()
    if row["expires_at"] is not None and row["expires_at"] <= world.clock():
        raise unauthorized()
    return Proof(
        user=user,
        methods=("application_credential",),
        expires_at=row["expires_at"],
        application_credential=row,
        rules=rules,
        may_rescope=False,
        project_id=row["project_id"],
    )


METHODS: Mapping[str, Callable[[World, Mapping[str, Any]], Proof]] = {
    "password": _password,
    "token": _token,
    "application_credential": _application_credential,
}


def rules_of(connection: Connection, credential: Record) -> tuple[AccessRule, ...] | None:
    """Return what requests an application credential is good for, None for all."""
    if credential["rule_ids"] is None:
        return None
    rows = connection.execute(
        select(tables.access_rules).where(tables.access_rules.c.id.in_(credential["rule_ids"]))
    )
    return tuple(AccessRule(row.service, row.method, row.path) for row in rows)


def referred_domain(connection: Connection, reference: Any, default: str) -> Record | None:
    """Return the domain of {"id": …} or {"name": …}; the default one where none is named."""
    column = tables.domains.c
    if not isinstance(reference, dict):
        where = column.id == default
    elif isinstance(reference.get("id"), str):
        where = column.id == reference["id"]
    elif isinstance(reference.get("name"), str):
        where = column.name == reference["name"]
    else:
        raise BadRequest("A domain is named by 'id' or 'name'.")
    row = connection.execute(select(tables.domains).where(where)).first()
    return record(row) if row is not None else None


def referred_user(connection: Connection, reference: Mapping[str, Any], default: str) -> Record | None:
    """Return the user of {"id": …}, or of {"name": …, "domain": {…}}.

    Raises:
        BadRequest: neither is said.
    """
    column = tables.users.c
    if isinstance(reference.get("id"), str):
        where = column.id == reference["id"]
    elif isinstance(reference.get("name"), str):
        domain = referred_domain(connection, reference.get("domain"), default)
        where = (column.name == reference["name"]) & (column.domain_id == (domain or {"id": ""})["id"])
    else:
        raise BadRequest("A user is named by 'id', or by 'name' and 'domain'.")
    row = connection.execute(select(tables.users).where(where)).first()
    return record(row) if row is not None else None


def _referred_credential(connection: Connection, given: Mapping[str, Any], default: str) -> Record | None:
    column = tables.application_credentials.c
    if isinstance(given.get("id"), str):
        where = column.id == given["id"]
    elif isinstance(given.get("name"), str) and isinstance(given.get("user"), dict):
        user = referred_user(connection, given["user"], default)
        where = (column.name == given["name"]) & (column.user_id == (user or {"id": ""})["id"])
    else:
        raise BadRequest("An application credential is named by 'id', or by 'name' and 'user'.")
    row = connection.execute(select(tables.application_credentials).where(where)).first()
    return record(row) if row is not None else None


def domain_enabled(connection: Connection, domain_id: str) -> bool:
    """Whether a domain is there, and enabled."""
    column = tables.domains.c
    return bool(connection.scalar(select(column.enabled).where(column.id == domain_id)))


def _enabled_user(connection: Connection, user_id: str) -> Record | None:
    """Return a user who may log in, as far as that does not depend on passwords."""
    row = connection.execute(select(tables.users).where(tables.users.c.id == user_id)).first()
    if row is None or not row.enabled or not domain_enabled(connection, row.domain_id):
        return None
    return record(row)


def stands(connection: Connection, who: Identity) -> bool:
    """Whether user, scope and credential of a token are there and enabled, as the tables say now."""
    if _enabled_user(connection, who.user_id) is None:
        return False
    if who.domain_id is not None and not domain_enabled(connection, who.domain_id):
        return False
    credentials = tables.application_credentials.c
    if who.application_credential_id is not None and not connection.scalar(
        select(credentials.id).where(credentials.id == who.application_credential_id)
    ):
        return False
    if who.project_id is None:
        return True
    project = connection.execute(
        select(tables.projects).where(tables.projects.c.id == who.project_id)
    ).first()
    return project is not None and project.enabled and domain_enabled(connection, project.domain_id)
