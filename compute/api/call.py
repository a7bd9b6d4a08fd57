"""One request, as a handler sees it.

webob.Request + Identity + microversion ──▶ Call ──▶ .json(), .project_id, .require("admin") …
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from webob import Request

from ...common.identity import Identity
from .faults import BadRequest, Forbidden, OverLimit, Unauthorized
from .versions import Version

DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Call:
    """A request and who sends it; `caller` is None where a route is open to strangers and one came."""

    request: Request
    request_id: str
    caller: Identity | None = None
    version: Version | None = None
    token: str = ""

    @property
    def identity(self) -> Identity:
        """Who asks; raises Unauthorized where nobody said."""
        if self.caller is None:
            raise Unauthorized("The request you have made requires authentication.")
        return self.caller

    @property
    def base_url(self) -> str:
        """Where the service is, as the client sees it, without a slash at the end."""
        return str(self.request.application_url).rstrip("/")

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of several of a name the last."""
        return dict(self.request.GET)

    @property
    def project_id(self) -> str:
        """The project that the token is for; raises Forbidden where it is for none."""
        if not self.identity.project_id:
            raise Forbidden("The token is for no project. Ask for one that is scoped to a project.")
        return self.identity.project_id

    @property
    def is_admin(self) -> bool:
        """Whether the caller administers everything: has the role admin on a project, or on the system.

        Who has it on a domain administers the people of that domain, which is the identity service's affair.
        """
        return ADMIN in self.identity.roles and not self.identity.domain_id

    def require(self, *roles: str) -> None:
        """Refuse callers that have none of these roles, or have them on a domain only."""
        if self.identity.domain_id or not set(roles) & set(self.identity.roles):
            raise Forbidden(f"This needs the role {' or '.join(roles)}.")

    def json(self, *required: str, optional: Collection[str] | None = None) -> dict[str, Any]:
        """Return the body, which must be a JSON object with these members (and, where told, no others).

        Raises:
            BadRequest: it is not.
            OverLimit: it is longer than any document has to be.
        """
        document = self.document()
        if not isinstance(document, dict):
            raise BadRequest("The body must be a JSON object.")
        for name in required:
            if name not in document:
                raise BadRequest(f"The body lacks {name!r}.")
        if optional is not None and (strange := set(document) - set(required) - set(optional)):
            raise BadRequest(f"The body has members that are not known here: {', '.join(sorted(strange))}.")
        return document

    def document(self) -> Any:
        """Return the body, which must be JSON of any kind; raises as `json` does."""
        length = self.request.content_length
        if length is not None and length > DOCUMENT_BYTES_MAX:
            raise OverLimit(f"A document of more than {DOCUMENT_BYTES_MAX} bytes is not read.")
        body = self.request.body_file.read(DOCUMENT_BYTES_MAX + 1)
        if len(body) > DOCUMENT_BYTES_MAX:
            raise OverLimit(f"A document of more than {DOCUMENT_BYTES_MAX} bytes is not read.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as problem:
            raise BadRequest(f"The body is no JSON: {problem}.") from problem

    def member(self, name: str) -> dict[str, Any]:
        """Return what stands under the one name that the body wraps its document in, as {"server": {…}}."""
        inner = self.json(name)[name]
        if not isinstance(inner, dict):
            raise BadRequest(f"{name!r} must be a JSON object.")
        return inner
