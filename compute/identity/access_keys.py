"""Credentials that sign requests: the access keys of EC2's API, which are S3's keys at the store.

    /v3/credentials, /v3/users/{id}/credentials/OS-EC2     a user's own, made and shown by the user
    GET /v3/apus/access_keys/{access} ──service──▶ the secret, and whom it speaks for
    POST /v3/s3tokens ──service──▶ whether a signature holds, and for whom (s3_signature.py)
    POST /v3/ec2tokens ──service──▶ whether a request is signed, and whose token that makes (ec2_signature.py)

Whoever has one speaks for the user in one project, with all roles that the user has there at the moment.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, select
from webob import Response

from ...common.identity import Identity
from ...common.identity.claims import claims_of
from ..api.call import Call
from ..api.faults import BadRequest, Conflict, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection, base_of, found, listing
from .ec2_signature import request_holds
from .fields import Field, Kind
from .issuing import Proof, Scope, described, identity, signed
from .people import USERS
from .places import PROJECTS
from .proving import domain_enabled, unauthorized
from .s3_signature import holds as signature_holds
from .scoping import roles_for
from .world import Change, Record, World, record

EC2 = "ec2"
METHOD = "ec2credential"
SECRET_BYTES = 30
CREDENTIALS = Kind(
    "credentials",
    "credential",
    tables.credentials,
    (
        Field("user_id", fixed=True),
        Field("project_id", fixed=True),
        Field("type", required=True, nullable=False, fixed=True),
    ),
    filters=("user_id", "type"),
    hidden=("sealed", "access_hash", "blob", "description", "options"),
    keeps_extra=False,
)


def id_of(access: str) -> str:
    """Return the id of an access key's credential, as Keystone has it."""
    return hashlib.sha256(access.encode()).hexdigest()


def audit_id_of(credential_id: str) -> str:
    """Return the id by which requests of an access key are ended."""
    return f"{EC2}:{credential_id}"


class Credentials(Collection):
    """/v3/credentials."""

    kind = CREDENTIALS

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether it is the caller's own."""
        return policy.may_keep_keys(call.identity, row["user_id"])

    def demand_change(self, call: Call, row: Record) -> None:
        """Refuse whom it does not belong to."""
        policy.demand(policy.may_keep_keys(call.identity, row["user_id"]))

    def within_reach(self, call: Call) -> Select[Any]:
        """Return the caller's own, or all to who administers all."""
        who = call.identity
        policy.demand(policy.may_keep_keys(who, who.user_id))
        rows = select(tables.credentials)
        return (
            rows if policy.administers_all(who) else rows.where(tables.credentials.c.user_id == who.user_id)
        )

    def complete(self, call: Call, values: Record) -> None:
        """It is the caller's unless somebody else is named."""
        values["user_id"] = values.get("user_id") or call.identity.user_id
        values["sealed"] = ""

    def received(self, call: Call, given: Record) -> Record:
        """Check the blob, and encrypt it."""
        blob = given.get("blob")
        if blob is None and call.request.method == "PATCH":
            return given
        text = json.dumps(blob) if isinstance(blob, dict) else blob
        if not isinstance(text, str) or not text:
            raise BadRequest("'blob' is a required property")
        return {**given, "blob": text}

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check that the user and the project of a new one are there."""
        if before is not None:
            return
        found(change.connection, USERS, values["user_id"])
        if values["project_id"] is not None:
            found(change.connection, PROJECTS, values["project_id"])
        elif values["type"] == EC2:
            raise BadRequest("An access key needs a 'project_id'.")

    def create(self, call: Call) -> Response:
        """Make one."""
        given = self.received(call, call.member("credential"))
        key = access_and_secret(given["blob"]) if given.get("type") == EC2 else None

        def work(change: Change) -> Record:
            values: Record = {"id": id_of(key[0]) if key else secrets.token_hex(16)}
            for name in ("user_id", "project_id", "type"):
                values[name] = given.get(name)
                if values[name] is not None and not isinstance(values[name], str):
                    raise BadRequest(f"{name!r} must be a text")
            if not values["type"]:
                raise BadRequest("'type' is a required property")
            self.complete(call, values)
            self.demand_change(call, values)
            self.prepare(change, values, None)
            if key:
                values["access_hash"] = free_access(change.connection, key[0], values["id"])
                if not policy.administers_all(call.identity):
                    roles_for(change.connection, values["user_id"], values["project_id"])
            values["sealed"] = self.world.keys.seal(given["blob"])
            change.connection.execute(tables.credentials.insert().values(**values))
            row = found(change.connection, CREDENTIALS, values["id"])
            return self.document(change.connection, row, base_of(self.world, call))

        return answer(201, {"credential": self.world.change(work)})

    def changed(self, change: Change, before: Record, after: Record, given: Record) -> None:
        """Store a new blob, under which an access key is found from now on."""
        del before
        if "blob" not in given:
            return
        fresh: Record = {"sealed": self.world.keys.seal(given["blob"])}
        if after["type"] == EC2:
            access = access_and_secret(given["blob"])[0]
            fresh["access_hash"] = free_access(change.connection, access, after["id"])
        table = tables.credentials
        change.connection.execute(table.update().where(table.c.id == after["id"]).values(**fresh))
        after |= fresh
        change.revoke(audit_id=audit_id_of(after["id"]))

    def removing(self, change: Change, row: Record) -> None:
        """End what an access key signs."""
        change.revoke(audit_id=audit_id_of(row["id"]))

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return a credential with what is secret of it: only its owner comes this far."""
        document = Collection.document(self, connection, row, base)
        return {**document, "blob": self.world.keys.unseal(row["sealed"])}


def free_access(connection: Connection, access: str, credential_id: str) -> str:
    """Return the hash of an access that no other credential has.

    Raises:
        Conflict: another one has it.
    """
    column = tables.credentials.c
    taken = select(column.id).where(column.access_hash == id_of(access), column.id != credential_id)
    if connection.scalar(taken.limit(1)) is not None:
        raise Conflict("Another credential has this access.")
    return id_of(access)


def access_and_secret(blob: str) -> tuple[str, str]:
    """Return the two halves of an access key.

    Raises:
        BadRequest: they are not there.
    """
    try:
        said = json.loads(blob)
        access, secret = said["access"], said["secret"]
    except (ValueError, TypeError, KeyError) as problem:
        raise BadRequest("The blob of an access key is {'access': …, 'secret': …}.") from problem
    if not isinstance(access, str) or not isinstance(secret, str) or not access or not secret:
        raise BadRequest("Access and secret are texts.")
    return access, secret


class AccessKeys:
    """/v3/users/{id}/credentials/OS-EC2, and what services ask."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve the paths."""
        many = "/v3/users/{user_id}/credentials/OS-EC2"
        routes.get(many)(self.index)
        routes.post(many)(self.create)
        routes.get(many + "/{access}")(self.show)
        routes.delete(many + "/{access}")(self.remove)
        routes.get("/v3/apus/access_keys/{access}")(self.secret)
        routes.post("/v3/s3tokens")(self.check_signature)
        routes.post("/v3/ec2tokens")(self.check_request)

    def index(self, call: Call, user_id: str) -> Response:
        """List a user's access keys."""
        policy.demand(policy.may_keep_keys(call.identity, user_id))
        column = tables.credentials.c
        with self.world.read() as connection:
            rows = connection.execute(
                select(tables.credentials)
                .where(column.user_id == user_id, column.type == EC2)
                .order_by(column.id)
            ).all()
        documents = [self._document(call, record(row)) for row in rows]
        return listing(self.world, call, "credentials", documents)

    def create(self, call: Call, user_id: str) -> Response:
        """Make an access key for a project on which the user has a role."""
        policy.demand(policy.may_keep_keys(call.identity, user_id))
        project_id = call.json("tenant_id")["tenant_id"]
        access, secret = secrets.token_hex(16), secrets.token_urlsafe(SECRET_BYTES)

        def work(change: Change) -> Record:
            found(change.connection, USERS, user_id)
            if not isinstance(project_id, str):
                raise BadRequest("'tenant_id' must be a text")
            found(change.connection, PROJECTS, project_id)
            roles_for(change.connection, user_id, project_id)
            sealed = self.world.keys.seal(json.dumps({"access": access, "secret": secret}))
            values = {
                "id": id_of(access),
                "user_id": user_id,
                "project_id": project_id,
                "type": EC2,
                "access_hash": id_of(access),
                "sealed": sealed,
            }
            change.connection.execute(tables.credentials.insert().values(**values))
            return values

        return answer(201, {"credential": self._document(call, self.world.change(work))})

    def show(self, call: Call, user_id: str, access: str) -> Response:
        """Show an access key."""
        policy.demand(policy.may_keep_keys(call.identity, user_id))
        with self.world.read() as connection:
            row = _key(connection, access, user_id)
        return answer(200, {"credential": self._document(call, row)})

    def remove(self, call: Call, user_id: str, access: str) -> Response:
        """Remove an access key; what it signs ends at once."""
        policy.demand(policy.may_keep_keys(call.identity, user_id))

        def work(change: Change) -> None:
            row = _key(change.connection, access, user_id)
            table = tables.credentials
            change.connection.execute(table.delete().where(table.c.id == row["id"]))
            change.revoke(audit_id=audit_id_of(row["id"]))

        self.world.change(work)
        return empty(204)

    def secret(self, call: Call, access: str) -> Response:
        """Tell a service what an access key signs with, and whom it speaks for."""
        policy.demand(policy.serves(call.identity))
        secret, who = self._speaks_for(access)
        return answer(200, {"access_key": {"secret": secret, "identity": claims_of(who)}})

    def check_signature(self, call: Call) -> Response:
        """Tell a service whether a signature over a text holds; nobody else, or they could try signatures."""
        policy.demand(policy.serves(call.identity))
        given = call.member("credentials")
        texts = [given.get(name) for name in ("access", "token", "signature")]
        if not all(isinstance(text, str) for text in texts):
            raise BadRequest("'credentials' must say 'access', 'token' and 'signature'.")
        secret, who = self._speaks_for(str(texts[0]))
        if not signature_holds(secret, str(texts[1]), str(texts[2])):
            raise unauthorized()
        with self.world.read() as connection:
            return answer(200, described(connection, who, with_catalog=False))

    def check_request(self, call: Call) -> Response:
        """Give a service the token of who has signed a request; strangers could replay one."""
        policy.demand(policy.serves(call.identity))
        body = call.json()
        given = body.get("credentials") or body.get("ec2Credentials")
        if (
            not isinstance(given, dict)
            or not isinstance(given.get("access"), str)
            or "signature" not in given
        ):
            raise BadRequest("'credentials' must say 'access', 'signature' and the request.")
        secret, who = self._speaks_for(given["access"])
        if not request_holds(secret, given, self.world.clock()):
            raise unauthorized()
        with self.world.read() as connection:
            document = described(connection, who, with_catalog=True)
        return answer(200, document, {"X-Subject-Token": signed(self.world, who), "Vary": "X-Auth-Token"})

    def _speaks_for(self, access: str) -> tuple[str, Identity]:
        """Return an access key's secret, and its owner in its project.

        Raises:
            NotFound: there is no such key, or it is good for nothing.
        """
        now = self.world.clock()
        missing = NotFound(f"Could not find credential: {access}.")
        with self.world.read() as connection:
            row = connection.execute(
                select(tables.credentials).where(tables.credentials.c.access_hash == id_of(access))
            ).first()
            if row is None or row.type != EC2 or row.project_id is None:
                raise missing
            user = connection.execute(select(tables.users).where(tables.users.c.id == row.user_id)).first()
            if user is None or not user.enabled or not domain_enabled(connection, user.domain_id):
                raise missing
            project, roles = roles_for(connection, row.user_id, row.project_id)
            proof = Proof(user=record(user), methods=(METHOD,))
            scope = Scope(project=project, roles=roles)
            seconds = self.world.config.token_seconds
            who = identity(connection, proof, scope, now=now, token_seconds=seconds)
        secret = access_and_secret(self.world.keys.unseal(row.sealed))[1]
        return secret, replace(who, audit_id=audit_id_of(row.id))

    def _document(self, call: Call, row: Record) -> Record:
        access, secret = access_and_secret(self.world.keys.unseal(row["sealed"]))
        url = f"{base_of(self.world, call)}/users/{row['user_id']}/credentials/OS-EC2/{access}"
        return {
            "user_id": row["user_id"],
            "tenant_id": row["project_id"],
            "access": access,
            "secret": secret,
            "trust_id": None,
            "links": {"self": url},
        }


def _key(connection: Connection, access: str, user_id: str) -> Record:
    """Return a user's access key.

    Raises:
        NotFound: the user has none of that name.
    """
    column = tables.credentials.c
    row = connection.execute(
        select(tables.credentials).where(
            column.access_hash == id_of(access), column.user_id == user_id, column.type == EC2
        )
    ).first()
    if row is None:
        raise NotFound(f"Could not find credential: {access}.")
    return record(row)
