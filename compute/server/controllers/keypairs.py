"""Key pairs: public keys, or certificates (type x509), that servers get; each person has their own.

POST {"keypair": {"name", "public_key"}} ──▶ imported      without a key, up to 2.91 ──▶ made here, told once
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, Forbidden, NotFound
from ...api.paging import Page, next_link
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import plain
from .. import certificates, fleet, tables
from ..quotas import check, limits_of
from ..world import World
from .rim import minor, text

_NAME_OLD = re.compile(r"[A-Za-z0-9_\- ]+")
_NAME = re.compile(r"[A-Za-z0-9_\- @.]+")


def fingerprint(public_key: str) -> str:
    """Return the MD5 of an OpenSSH public key as colon-separated bytes, the form that clients show.

    Raises:
        BadRequest: the text is no such key.
    """
    parts = public_key.split()
    try:
        serialization.load_ssh_public_key(" ".join(parts[:2]).encode())
        digest = hashlib.md5(base64.b64decode(parts[1]), usedforsecurity=False).hexdigest()
    except (ValueError, IndexError, UnsupportedAlgorithm, binascii.Error) as problem:
        raise BadRequest(
            "Keypair data is invalid: failed to generate fingerprint: public_key must be one of OpenSSH; a"
            " certificate is imported with the type x509, since 2.2."
        ) from problem
    return ":".join(digest[at : at + 2] for at in range(0, 32, 2))


def generated() -> tuple[str, str]:
    """Return a new private key and its public key, both in OpenSSH's form."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} Generated-by-Apus"


class KeypairController:
    """Serves /os-keypairs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _owner(self, call: Call, asked: object) -> str:
        """Return whose key pairs are meant: one's own, or (since 2.10, administrators) another person's."""
        if asked is None or asked == call.identity.user_id or minor(call) < 10:
            return call.identity.user_id
        if not isinstance(asked, str):
            raise BadRequest("Invalid input for field/attribute user_id: it must be a text.")
        if not call.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:os-keypairs to be performed.")
        return asked

    @served("GET HEAD", "/v2.1/os-keypairs")
    def index(self, call: Call) -> Response:
        """List the caller's."""
        owner = self._owner(call, call.query.get("user_id"))
        table = tables.keypairs
        with self._world.catalogue.read() as connection:
            rows = list(
                connection.execute(select(table).where(table.c.user_id == owner).order_by(table.c.name))
            )
        document: dict[str, Any] = {}
        if minor(call) >= 35:
            shown, more = Page.of(call).cut(rows, lambda row: str(row.name))
            if more and shown:
                document["keypairs_links"] = [{"rel": "next", "href": next_link(call, shown[-1].name)}]
            rows = shown
        return answer(200, {"keypairs": [{"keypair": _short(row, call)} for row in rows], **document})

    @served("GET HEAD", "/v2.1/os-keypairs/{name}")
    def show(self, call: Call, name: str) -> Response:
        """Show one."""
        row = self._row(self._owner(call, call.query.get("user_id")), name)
        facts = {
            "user_id": row.user_id,
            "id": int.from_bytes(hashlib.sha256(f"{row.user_id}/{row.name}".encode()).digest()[:3], "big"),
            "created_at": plain(row.created_at),
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
        return answer(200, {"keypair": {**_short(row, call), **facts}})

    def _row(self, owner: str, name: str) -> Any:
        table = tables.keypairs
        with self._world.catalogue.read() as connection:
            row = connection.execute(
                select(table).where(table.c.user_id == owner, table.c.name == name)
            ).first()
        if row is None:
            raise NotFound(f"Keypair {name} not found for user {owner}")
        return row

    @served("POST", "/v2.1/os-keypairs")
    def create(self, call: Call) -> Response:
        """Import one; up to 2.91 make one where no key is given."""
        asked = call.member("keypair")
        name = text(asked, "name")
        if not (_NAME if minor(call) >= 92 else _NAME_OLD).fullmatch(name):
            raise BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
        kind = _kind(call, asked)
        owner = self._owner(call, asked.get("user_id"))
        private = None
        public = asked.get("public_key")
        if public is None:
            if minor(call) >= 92:
                raise BadRequest("Keypair generation is not supported since 2.92: public_key is required.")
            private, public = (
                certificates.generated(owner, self._world.clock()) if kind == "x509" else generated()
            )
        if not isinstance(public, str) or len(public) > 16384:
            raise BadRequest("Keypair data is invalid: public_key must be a text.")
        mark = certificates.fingerprint(public) if kind == "x509" else fingerprint(public)
        self._add(call, owner, name=name, type=kind, public_key=public.strip(), fingerprint=mark)
        row = self._row(owner, name)
        document = {**_short(row, call), "user_id": owner}
        if private is not None:
            document["private_key"] = private
        return answer(201 if minor(call) >= 2 else 200, {"keypair": document})

    def _add(self, call: Call, owner: str, **pair: str) -> None:
        table = tables.keypairs

        def write(connection: Any) -> None:
            count = connection.execute(
                select(func.count()).select_from(table).where(table.c.user_id == owner)
            ).scalar_one()
            own = fleet.own_limits(connection, call.project_id)
            check(limits_of(own), {"key_pairs": count}, {"key_pairs": 1})
            connection.execute(insert(table).values(user_id=owner, created_at=self._world.clock(), **pair))

        try:
            self._world.catalogue.transaction(write)
        except IntegrityError as problem:
            raise Conflict(f"Key pair '{pair['name']}' already exists.") from problem

    @served("DELETE", "/v2.1/os-keypairs/{name}")
    def remove(self, call: Call, name: str) -> Response:
        """Remove one; servers keep the key they have."""
        owner = self._owner(call, call.query.get("user_id"))
        self._row(owner, name)
        table = tables.keypairs
        with self._world.catalogue.write() as connection:
            connection.execute(delete(table).where(table.c.user_id == owner, table.c.name == name))
        return empty(204 if minor(call) >= 2 else 202)


def _kind(call: Call, asked: Mapping[str, Any]) -> str:
    """Return the type that is asked for; raise BadRequest for one that is not there in this microversion."""
    kind = asked.get("type", "ssh")
    if kind not in ("ssh", "x509"):
        raise BadRequest("Invalid input for field/attribute type: it must be ssh or x509.")
    if kind == "x509" and minor(call) < 2:
        raise BadRequest(
            "Key pairs of the type x509 are there since 2.2: ask for that microversion or later."
        )
    return str(kind)


def _short(row: Any, call: Call) -> dict[str, Any]:
    document = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    if minor(call) >= 2:
        document["type"] = row.type
    return document
