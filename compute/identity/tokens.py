"""/v3/auth: tokens made, shown and ended; what somebody may ask a token for.

POST /v3/auth/tokens ──proving──▶ Proof ──scoping──▶ Scope ──issuing──▶ X-Subject-Token
GET, HEAD, DELETE    ──▶ the token in X-Subject-Token
GET /v3/auth/{catalog,projects,domains,system}
GET /v3/apus/notices ──▶ public keys and revocations, for verifiers elsewhere
"""

from __future__ import annotations

from webob import Response

from ...common.identity import Identity, TokenRefused
from ...common.identity.notice_board import PATH
from ...common.identity.verifier import judged
from ..api.call import Call
from ..api.faults import BadRequest, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import policy
from .catalog import catalog_for
from .collection import base_of, listing
from .grants import domains_of, roles_on_system
from .issuing import described, identity, signed
from .people import project_documents
from .places import Domains
from .proving import prove, stands
from .scoping import scoped
from .world import Change, World

SUBJECT = "X-Subject-Token"
_VARY = {"Vary": "X-Auth-Token"}


class Tokens:
    """The paths under /v3/auth."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve them."""
        routes.post("/v3/auth/tokens", open_to_all=True)(self.create)
        routes.get("/v3/auth/tokens")(self.show)
        routes.delete("/v3/auth/tokens")(self.revoke)
        routes.get("/v3/auth/catalog")(self.catalog)
        routes.get("/v3/auth/projects")(self.projects)
        routes.get("/v3/auth/domains")(self.domains)
        routes.get("/v3/auth/system")(self.system)
        routes.get(PATH, open_to_all=True)(self.notices)

    def create(self, call: Call) -> Response:
        """Make a token."""
        now = self.world.clock()
        auth = call.member("auth")
        if "identity" not in auth:
            raise BadRequest("'auth' must say 'identity'.")
        proof = prove(self.world, auth["identity"])
        config = self.world.config
        with self.world.read() as connection:
            scope = scoped(connection, proof, auth.get("scope"), config.default_domain_id)
            who = identity(connection, proof, scope, now=now, token_seconds=config.token_seconds)
            document = described(connection, who, with_catalog=self._with_catalog(call))
        return answer(201, document, {SUBJECT: signed(self.world, who), **_VARY})

    def show(self, call: Call) -> Response:
        """Show what a token is good for."""
        token, who = self._subject(call)
        with self.world.read() as connection:
            document = described(connection, who, with_catalog=self._with_catalog(call))
        return answer(200, document, {SUBJECT: token, **_VARY})

    def revoke(self, call: Call) -> Response:
        """End a token."""
        _, who = self._subject(call)
        policy.demand(who.user_id == call.identity.user_id or policy.administers_all(call.identity))

        def work(change: Change) -> None:
            change.revoke(audit_id=who.audit_id)

        self.world.change(work)
        return empty(204)

    def _subject(self, call: Call) -> tuple[str, Identity]:
        """Return the token in X-Subject-Token, if the caller may know of it.

        Raises:
            NotFound: it is good for nothing.
            Forbidden: it is somebody else's.
        """
        token = call.request.headers.get(SUBJECT, "")
        if not token:
            raise BadRequest(f"{SUBJECT} is missing.")
        gone = NotFound("Could not find token.")
        try:
            who = judged(token, self.world.publisher.current(), now=self.world.clock())
        except TokenRefused as problem:
            raise gone from problem
        own = who.user_id == call.identity.user_id
        policy.demand(own or policy.serves(call.identity) or policy.sees_all(call.identity))
        with self.world.read() as connection:
            if not stands(connection, who):
                raise gone
        return token, who

    def _with_catalog(self, call: Call) -> bool:
        return "nocatalog" not in call.query

    def catalog(self, call: Call) -> Response:
        """Return the catalogue for the caller's token."""
        with self.world.read() as connection:
            services = catalog_for(connection, call.identity)
        return listing(self.world, call, "catalog", services)

    def projects(self, call: Call) -> Response:
        """List the projects that the caller may ask a token for."""
        with self.world.read() as connection:
            documents = project_documents(self.world, connection, call, call.identity.user_id)
        return listing(self.world, call, "projects", documents)

    def domains(self, call: Call) -> Response:
        """List the domains that the caller may ask a token for."""
        kind, base = Domains(self.world), base_of(self.world, call)
        with self.world.read() as connection:
            rows = domains_of(connection, call.identity.user_id)
            documents = [kind.document(connection, row, base) for row in rows]
        return listing(self.world, call, "domains", documents)

    def system(self, call: Call) -> Response:
        """Tell whether the caller may ask for a token of the system."""
        with self.world.read() as connection:
            held = roles_on_system(connection, call.identity.user_id)
        return listing(self.world, call, "system", [{"all": True}] if held else [])

    def notices(self, call: Call) -> Response:
        """Return the signed notices."""
        del call
        return Response(self.world.publisher.text(), content_type="application/jose", charset="UTF-8")
