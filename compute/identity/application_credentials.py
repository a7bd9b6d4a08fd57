"""Application credentials: secrets that speak for a user in one project, with some of the user's roles.

    POST /v3/users/{id}/application_credentials ──▶ the secret, told this once
    access rules: which requests it is good for      expires_at, unrestricted: whether it may make others

It ends with its user, its project, or any of its roles there.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, select
from webob import Response

from ...common.identity import Identity
from ..api.call import Call
from ..api.faults import BadRequest, Forbidden, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import moments, policy, tables
from .collection import base_of, listing
from .fields import NAME_CHARACTERS_MAX
from .scoping import roles_for
from .world import Change, Record, World, new_id, record

SECRET_BYTES = 64
RULE_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CREDENTIALS, RULES = tables.application_credentials, tables.access_rules


class ApplicationCredentials:
    """The paths under /v3/users/{id}."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve them."""
        many = "/v3/users/{user_id}/application_credentials"
        routes.get(many)(self.index)
        routes.post(many)(self.create)
        routes.get(many + "/{credential_id}")(self.show)
        routes.delete(many + "/{credential_id}")(self.remove)
        rules = "/v3/users/{user_id}/access_rules"
        routes.get(rules)(self.rules)
        routes.get(rules + "/{rule_id}")(self.rule)
        routes.delete(rules + "/{rule_id}")(self.remove_rule)

    def index(self, call: Call, user_id: str) -> Response:
        """List a user's application credentials, without secrets."""
        self._demand_sight(call, user_id)
        wanted = select(CREDENTIALS).where(CREDENTIALS.c.user_id == user_id).order_by(CREDENTIALS.c.name)
        if "name" in call.query:
            wanted = wanted.where(CREDENTIALS.c.name == call.query["name"])
        with self.world.read() as connection:
            rows = [record(row) for row in connection.execute(wanted)]
            documents = [self._document(connection, call, row) for row in rows]
        return listing(self.world, call, "application_credentials", documents)

    def show(self, call: Call, user_id: str, credential_id: str) -> Response:
        """Show one, without its secret."""
        self._demand_sight(call, user_id)
        with self.world.read() as connection:
            document = self._document(
                connection, call, _owned(connection, CREDENTIALS, credential_id, user_id)
            )
        return answer(200, {"application_credential": document})

    def create(self, call: Call, user_id: str) -> Response:
        """Make one for the project of the caller's token, with no role that the token lacks."""
        who = call.identity
        policy.demand(policy.may_make_credentials(who, user_id))
        if who.project_id is None:
            raise BadRequest("An application credential is for a project, so ask with a token for it.")
        given = call.member("application_credential")
        name, unrestricted = given.get("name"), given.get("unrestricted", False)
        if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise BadRequest("'name' is a required property")
        if not isinstance(unrestricted, bool):
            raise BadRequest("'unrestricted' must be true or false")
        if unrestricted and who.access_rules is not None:
            raise Forbidden("What is limited to some requests cannot make what is not.")
        secret = given.get("secret") or secrets.token_urlsafe(SECRET_BYTES)
        if not isinstance(secret, str):
            raise BadRequest("'secret' must be a text")
        ends = given.get("expires_at")
        expires_at = moments.read(ends) if ends is not None else None
        if expires_at is not None and expires_at <= self.world.clock():
            raise BadRequest("'expires_at' lies in the past.")
        credential_id = new_id()
        values: Record = {
            "id": credential_id,
            "user_id": user_id,
            "project_id": who.project_id,
            "name": name,
            "description": _description(given),
            "secret_hash": self.world.passwords.hash(secret),
            "expires_at": expires_at,
            "unrestricted": unrestricted,
        }
        self._take_roles(who, given, values)

        def work(change: Change) -> Record:
            values["rule_ids"] = _rules_wanted(change.connection, given.get("access_rules"), user_id)
            change.connection.execute(CREDENTIALS.insert().values(**values))
            row = _owned(change.connection, CREDENTIALS, credential_id, user_id)
            return self._document(change.connection, call, row)

        return answer(201, {"application_credential": {**self.world.change(work), "secret": secret}})

    def _take_roles(self, who: Identity, given: Record, values: Record) -> None:
        """Choose among the roles that the user has now, which by another such credential may be fewer."""
        assert who.project_id is not None
        with self.world.read() as connection:
            _, roles = roles_for(connection, who.user_id, who.project_id)
        narrowed = who.application_credential_id is not None
        held = {role.name: role.id for role in roles if not narrowed or role.id in who.role_ids}
        values["role_ids"] = _roles_wanted(given.get("roles"), held)

    def remove(self, call: Call, user_id: str, credential_id: str) -> Response:
        """Remove one; its tokens end."""
        who = call.identity
        policy.demand(policy.may_make_credentials(who, user_id) or _administers(who))

        def work(change: Change) -> None:
            _owned(change.connection, CREDENTIALS, credential_id, user_id)
            change.connection.execute(CREDENTIALS.delete().where(CREDENTIALS.c.id == credential_id))
            change.revoke(application_credential_id=credential_id)

        self.world.change(work)
        return empty(204)

    def rules(self, call: Call, user_id: str) -> Response:
        """List a user's access rules."""
        self._demand_sight(call, user_id)
        with self.world.read() as connection:
            rows = connection.execute(
                select(RULES).where(RULES.c.user_id == user_id).order_by(RULES.c.id)
            ).all()
        documents = [_rule_document(record(row), base_of(self.world, call)) for row in rows]
        return listing(self.world, call, "access_rules", documents)

    def rule(self, call: Call, user_id: str, rule_id: str) -> Response:
        """Show an access rule."""
        self._demand_sight(call, user_id)
        with self.world.read() as connection:
            row = _owned(connection, RULES, rule_id, user_id)
        return answer(200, {"access_rule": _rule_document(row, base_of(self.world, call))})

    def remove_rule(self, call: Call, user_id: str, rule_id: str) -> Response:
        """Remove an access rule that no application credential has."""
        who = call.identity
        policy.demand(policy.may_make_credentials(who, user_id) or _administers(who))

        def work(change: Change) -> None:
            _owned(change.connection, RULES, rule_id, user_id)
            held = change.connection.scalars(
                select(CREDENTIALS.c.rule_ids).where(CREDENTIALS.c.user_id == user_id)
            )
            if any(rule_id in (rules or ()) for rules in held):
                raise Forbidden("An application credential has this rule.")
            change.connection.execute(RULES.delete().where(RULES.c.id == rule_id))

        self.world.change(work)
        return empty(204)

    def _demand_sight(self, call: Call, user_id: str) -> None:
        policy.demand(call.identity.user_id == user_id or policy.sees_all(call.identity))

    def _document(self, connection: Connection, call: Call, row: Record) -> Record:
        base = base_of(self.world, call)
        roles = connection.execute(select(tables.roles).where(tables.roles.c.id.in_(row["role_ids"]))).all()
        document = {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"] or None,
            "user_id": row["user_id"],
            "project_id": row["project_id"],
            "system": None,
            "roles": [
                {"id": role.id, "name": role.name, "domain_id": role.domain_id or None} for role in roles
            ],
            "expires_at": _without_zone(row["expires_at"]),
            "unrestricted": row["unrestricted"],
            "links": {"self": f"{base}/users/{row['user_id']}/application_credentials/{row['id']}"},
        }
        if row["rule_ids"] is not None:
            rules = connection.execute(select(RULES).where(RULES.c.id.in_(row["rule_ids"]))).all()
            document["access_rules"] = [_rule_facts(record(rule)) for rule in rules]
        return document


def _administers(who: Any) -> bool:
    return policy.administers_all(who) and not who.application_credential_restricted


def _description(given: Record) -> str:
    text = given.get("description") or ""
    if not isinstance(text, str):
        raise BadRequest("'description' must be a text")
    return text


def _without_zone(seconds: float | None) -> str | None:
    """Return a moment as this one list of the API writes it."""
    return moments.written(seconds).removesuffix("Z") if seconds is not None else None


def _roles_wanted(wanted: Any, held: dict[str, str]) -> list[str]:
    """Return the ids of the roles asked for, all that are held where none is.

    Raises:
        BadRequest: one of them is not held.
    """
    if not wanted:
        return sorted(held.values())
    found = []
    for each in wanted if isinstance(wanted, list) else [wanted]:
        named = each if isinstance(each, dict) else {}
        role_id = named.get("id") or held.get(str(named.get("name")))
        if role_id not in held.values():
            raise BadRequest("An application credential can have only roles that its maker has.")
        found.append(str(role_id))
    return sorted(set(found))


def _rules_wanted(connection: Connection, wanted: Any, user_id: str) -> list[str] | None:
    """Return the ids of the rules asked for, making those that are not there yet; None for none at all."""
    if wanted is None:
        return None
    if not isinstance(wanted, list):
        raise BadRequest("'access_rules' must be a list")
    return [_rule_wanted(connection, each, user_id) for each in wanted]


def _rule_wanted(connection: Connection, each: Any, user_id: str) -> str:
    if isinstance(each, dict) and isinstance(each.get("id"), str):
        return str(_owned(connection, RULES, each["id"], user_id)["id"])
    parts = [each.get(name) for name in ("service", "method", "path")] if isinstance(each, dict) else []
    if len(parts) != 3 or not all(isinstance(part, str) and part for part in parts):
        raise BadRequest("An access rule has 'service', 'method' and 'path'.")
    service, method, path = map(str, parts)
    if method.upper() not in RULE_METHODS or not path.startswith("/"):
        raise BadRequest("An access rule has an HTTP method, and a path that begins with a slash.")
    values = {"user_id": user_id, "service": service, "method": method.upper(), "path": path}
    known = select(RULES.c.id).where(*(RULES.c[name] == value for name, value in values.items()))
    rule_id = connection.scalar(known)
    if rule_id is None:
        rule_id = new_id()
        connection.execute(RULES.insert().values(id=rule_id, **values))
    return str(rule_id)


def _rule_facts(row: Record) -> Record:
    return {name: row[name] for name in ("id", "service", "method", "path")}


def _rule_document(row: Record, base: str) -> Record:
    return {
        **_rule_facts(row),
        "links": {"self": f"{base}/users/{row['user_id']}/access_rules/{row['id']}"},
    }


def _owned(connection: Connection, table: Any, thing_id: str, user_id: str) -> Record:
    """Return a row that belongs to a user.

    Raises:
        NotFound: it does not.
    """
    row = connection.execute(select(table).where(table.c.id == thing_id, table.c.user_id == user_id)).first()
    if row is None:
        raise NotFound(f"Could not find {table.name.rstrip('s').replace('_', ' ')}: {thing_id}.")
    return record(row)
