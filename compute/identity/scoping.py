"""Where a new token shall be good, and which roles its owner has there.

{"project": {…}} | {"domain": {…}} | {"system": {"all": true}} | "unscoped" | nothing ──scoped()──▶ Scope
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from ..api.faults import BadRequest, Forbidden
from . import tables
from .grants import Role, effective, roles_on_domain, roles_on_project, roles_on_system
from .issuing import Proof, Scope
from .places import named_project
from .proving import domain_enabled, referred_domain, unauthorized
from .world import Record, record

UNSCOPED = "unscoped"
_WORDS = ("project", "domain", "system")


def scoped(connection: Connection, proof: Proof, wanted: Any, default_domain: str) -> Scope:
    """Return the scope that somebody gets.

    Raises:
        BadRequest: the scope is none.
        Forbidden: what was shown is good for another scope only.
        Unauthorized: there is no such place, or they have no role there.
    """
    if proof.application_credential is not None:
        return _of_credential(connection, proof, wanted)
    if not proof.may_rescope:
        raise Forbidden("A token that a secret for one project has made cannot be exchanged.")
    if wanted is None:
        return _default(connection, proof)
    if wanted == UNSCOPED or (isinstance(wanted, dict) and UNSCOPED in wanted):
        return Scope()
    if not isinstance(wanted, dict) or len([word for word in _WORDS if word in wanted]) != 1:
        raise BadRequest("'scope' is 'project', 'domain' or 'system'.")
    if "project" in wanted:
        return _on_project(
            connection, proof, _referred_project(connection, wanted["project"], default_domain)
        )
    if "domain" in wanted:
        return _on_domain(connection, proof, referred_domain(connection, wanted["domain"], default_domain))
    if wanted["system"] != {"all": True}:
        raise BadRequest("The one scope of the system is {'all': true}.")
    return _with_roles(Scope(system=True, roles=roles_on_system(connection, proof.user["id"])))


def _with_roles(scope: Scope) -> Scope:
    if not scope.roles:
        raise unauthorized()
    return scope


def _usable(connection: Connection, project: Record | None) -> bool:
    return project is not None and project["enabled"] and domain_enabled(connection, project["domain_id"])


def _on_project(connection: Connection, proof: Proof, project: Record | None) -> Scope:
    if project is None or not _usable(connection, project):
        raise unauthorized()
    return _with_roles(Scope(project=project, roles=roles_on_project(connection, proof.user["id"], project)))


def _on_domain(connection: Connection, proof: Proof, domain: Record | None) -> Scope:
    if domain is None or not domain["enabled"]:
        raise unauthorized()
    return _with_roles(
        Scope(domain=domain, roles=roles_on_domain(connection, proof.user["id"], domain["id"]))
    )


def _default(connection: Connection, proof: Proof) -> Scope:
    """Return the user's default project, where there is one on which they have a role; else nowhere."""
    project = _project(connection, proof.user["default_project_id"])
    if project is None or not _usable(connection, project):
        return Scope()
    roles = roles_on_project(connection, proof.user["id"], project)
    return Scope(project=project, roles=roles) if roles else Scope()


def _of_credential(connection: Connection, proof: Proof, wanted: Any) -> Scope:
    """Return its project, with those of its roles that its owner still has, and what they imply."""
    assert proof.application_credential is not None
    project = _project(connection, proof.project_id)
    if wanted is not None and not (
        isinstance(wanted, dict)
        and set(wanted) == {"project"}
        and isinstance(wanted["project"], dict)
        and wanted["project"].get("id") == proof.project_id
    ):
        raise unauthorized()
    if project is None or not _usable(connection, project):
        raise unauthorized()
    held = {role.id for role in roles_on_project(connection, proof.user["id"], project)}
    kept = [role_id for role_id in proof.application_credential["role_ids"] if role_id in held]
    if len(kept) < len(proof.application_credential["role_ids"]):
        raise unauthorized()  # As Keystone: it ends with the first of its roles.
    return _with_roles(Scope(project=project, roles=effective(connection, kept)))


def roles_for(connection: Connection, user_id: str, project_id: str) -> tuple[Record, list[Role]]:
    """Return a project that may be used and a user's roles on it.

    Raises:
        Unauthorized: it may not, or there are none.
    """
    project = _project(connection, project_id)
    roles = roles_on_project(connection, user_id, project) if project is not None else []
    if project is None or not roles or not _usable(connection, project):
        raise unauthorized()
    return project, roles


def _project(connection: Connection, project_id: str | None) -> Record | None:
    if project_id is None:
        return None
    row = connection.execute(select(tables.projects).where(tables.projects.c.id == project_id)).first()
    return record(row) if row is not None else None


def _referred_project(connection: Connection, reference: Any, default_domain: str) -> Record | None:
    """Return the project of {"id": …}, or of {"name": …, "domain": {…}}."""
    if isinstance(reference, Mapping) and isinstance(reference.get("id"), str):
        return _project(connection, reference["id"])
    if isinstance(reference, Mapping) and isinstance(reference.get("name"), str):
        domain = referred_domain(connection, reference.get("domain"), default_domain)
        return named_project(connection, reference["name"], domain["id"]) if domain is not None else None
    raise BadRequest("A project is named by 'id', or by 'name' and 'domain'.")
