"""Making tokens, and telling what they are good for.

    user, scope, roles ──identity()──▶ Identity ──signed()──▶ token        X-Subject-Token
    Identity ──described()──▶ {"token": {…}}                               the body beside it

A token made of another one ends with it at the latest.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ...common.identity import AccessRule, Identity
from ...common.identity.claims import claims_of
from ...common.identity.signature import TOKEN, sign
from . import moments, tables
from .catalog import catalog_for
from .grants import Role
from .world import Record, World

AUDIT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Who has shown who they are, by what, and what follows from that for the token."""

    user: Record
    methods: tuple[str, ...]
    expires_at: float | None = None
    """Unix seconds at which what was shown ends."""
    chain_id: str | None = None
    """The first token's audit id."""
    application_credential: Record | None = None
    rules: tuple[AccessRule, ...] | None = None
    may_rescope: bool = True
    project_id: str | None = None
    """The one project that it is good for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a token is good, and for what; nowhere, without roles, where all is None."""

    project: Record | None = None
    domain: Record | None = None
    system: bool = False
    roles: Sequence[Role] = ()


def identity(
    connection: Connection, proof: Proof, scope: Scope, *, now: float, token_seconds: float
) -> Identity:
    """Return whom and what a new token speaks for.

    `now` is a moment before anything was read for it: what is taken from somebody meanwhile ends the token.
    """
    domain_ids = {proof.user["domain_id"]}
    project = scope.project
    if project is not None:
        domain_ids.add(project["domain_id"])
    names = domain_names(connection, domain_ids)
    credential = proof.application_credential
    return Identity(
        user_id=proof.user["id"],
        user_name=proof.user["name"],
        user_domain_id=proof.user["domain_id"],
        user_domain_name=names[proof.user["domain_id"]],
        project_id=project["id"] if project is not None else None,
        project_name=project["name"] if project is not None else None,
        project_domain_id=project["domain_id"] if project is not None else None,
        project_domain_name=names[project["domain_id"]] if project is not None else None,
        domain_id=scope.domain["id"] if scope.domain is not None else None,
        domain_name=scope.domain["name"] if scope.domain is not None else None,
        system_scope=scope.system,
        roles=tuple(role.name for role in scope.roles),
        role_ids=tuple(role.id for role in scope.roles),
        audit_id=secrets.token_urlsafe(AUDIT_BYTES),
        parent_audit_id=proof.chain_id,
        issued_at=now,
        expires_at=min(now + token_seconds, proof.expires_at or now + token_seconds),
        methods=proof.methods,
        application_credential_id=credential["id"] if credential is not None else None,
        application_credential_restricted=credential is not None and not credential["unrestricted"],
        access_rules=proof.rules,
    )


def signed(world: World, who: Identity) -> str:
    """Return the token."""
    return sign(claims_of(who), TOKEN, world.keys.signing_keys()[0])


def domain_names(connection: Connection, ids: set[str]) -> dict[str, str]:
    """Return the names of domains by their ids."""
    column = tables.domains.c
    rows = connection.execute(select(column.id, column.name).where(column.id.in_(ids)))
    return {row.id: row.name for row in rows}


def described(connection: Connection, who: Identity, *, with_catalog: bool) -> dict[str, Any]:
    """Return the document about a token."""
    said: Record = {
        "methods": list(who.methods),
        "user": {
            "id": who.user_id,
            "name": who.user_name,
            "domain": {"id": who.user_domain_id, "name": who.user_domain_name},
            "password_expires_at": None,
        },
        "audit_ids": [who.audit_id, *([who.parent_audit_id] if who.parent_audit_id else [])],
        "issued_at": moments.written(who.issued_at),
        "expires_at": moments.written(who.expires_at),
    }
    if who.project_id is not None:
        said["project"] = {
            "id": who.project_id,
            "name": who.project_name,
            "domain": {"id": who.project_domain_id, "name": who.project_domain_name},
        }
        said["is_domain"] = False
    elif who.domain_id is not None:
        said["domain"] = {"id": who.domain_id, "name": who.domain_name}
    elif who.system_scope:
        said["system"] = {"all": True}
    if who.is_scoped:
        pairs = zip(who.role_ids, who.roles, strict=True)
        said["roles"] = [{"id": role_id, "name": name} for role_id, name in pairs]
        if with_catalog:
            said["catalog"] = catalog_for(connection, who)
    if who.application_credential_id is not None:
        said["application_credential"] = _credential(connection, who)
    return {"token": said}


def _credential(connection: Connection, who: Identity) -> Record:
    """Return what is told of the application credential that made a token."""
    column = tables.application_credentials.c
    name = connection.scalar(select(column.name).where(column.id == who.application_credential_id))
    said: Record = {
        "id": who.application_credential_id,
        "name": name,
        "restricted": who.application_credential_restricted,
    }
    if who.access_rules is not None:
        said["access_rules"] = [
            {"service": rule.service, "method": rule.method, "path": rule.path} for rule in who.access_rules
        ]
    return said
