"""A cloud service as a WSGI application.

    environ ──▶ request id ──▶ microversion ──▶ route ──▶ token ──▶ handler ──▶ Response
                     └── Fault ──▶ rendered as this service's clients expect; anything else ──▶ 500, logged

It does not know what is served, nor how tokens are made: routes and verifier are given to it.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable
from typing import Protocol

from webob import Request, Response

from ...common import metrics
from ...common.errors import Unavailable as NoAnswer
from ...common.http.wsgi import Environ, StartResponse
from ...common.identity import Identity, TokenRefused
from ...common.logs import transaction_id
from .call import Call
from .faults import Fault, RenderFault, Unauthorized, Unavailable
from .routing import Match, Routes
from .versions import Version, Versions

log = logging.getLogger(__name__)

REQUESTS = metrics.counter(
    "apus_cloud_requests_total", "Requests of the cloud's services answered.", "service", "method", "status"
)
SECONDS = metrics.histogram(
    "apus_cloud_request_seconds", "From a request's head to its answer's head.", "service", "method"
)
_TOKEN_IN_PATH = re.compile(r"(?<=tokens/).+")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class TokenReader(Protocol):
    """Says who a token is from."""

    def verify(self, token: str, *, method: str = "", path: str = "") -> Identity:
        """Return whose it is; raise TokenRefused for what is no token of ours, or no longer."""
        ...


class Service:
    """Serves the routes to those who may call them."""

    def __init__(
        self,
        name: str,
        routes: Routes,
        render_fault: RenderFault,
        verifier: TokenReader,
        versions: Versions | None = None,
        *,
        authenticate_at: str = "",
    ) -> None:
        self.name = name
        self.routes = routes
        self._render = render_fault
        self._verifier = verifier
        self._versions = versions
        self._authenticate_at = authenticate_at  # The identity service's URL, told to whom is refused.

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        begun = time.monotonic()
        request = Request(environ)
        request_id = f"req-{uuid.uuid4()}"
        transaction_id.set(request_id)
        response = self._response(request, request_id)
        response.headers["X-Openstack-Request-Id"] = request_id
        if self._versions is not None and self._versions.kind == "compute":
            response.headers["X-Compute-Request-Id"] = request_id
        self._note(request, response, time.monotonic() - begun)
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def _response(self, request: Request, request_id: str) -> Response:
        """Return what is answered, whatever happens."""
        version: Version | None = None
        try:
            version = self._versions.asked(request.headers) if self._versions is not None else None
            response = self._handled(request, request_id, version)
        except Fault as fault:
            response = self._refused(fault)
        except NoAnswer as problem:
            log.warning("something that is needed does not answer", extra={"problem": str(problem)})
            response = self._refused(
                Unavailable("Something that is needed does not answer; try again later.")
            )
        except Exception:  # noqa: BLE001 - a handler's defect must not end the connection without an answer
            log.exception("the request failed")
            response = self._refused(
                Fault(500, "The server failed; its log says why, under this request's id.")
            )
        if self._versions is not None and version is not None:
            response.headers.update(self._versions.said(version))
        return response

    def _handled(self, request: Request, request_id: str, version: Version | None) -> Response:
        match = self.routes.find(request.method, request.path_info or "/")
        token = request.headers.get("X-Auth-Token", "")
        caller = self._caller(token, match, request)
        call = Call(request, request_id, caller, version, token)
        return match.handler(call, **match.parts)

    def _caller(self, token: str, match: Match, request: Request) -> Identity | None:
        """Return who asks, None for a stranger where strangers may."""
        if not token:
            if match.is_open:
                return None
            raise Unauthorized("The request you have made requires authentication.")
        try:
            return self._verifier.verify(token, method=request.method, path=request.path_info or "/")
        except TokenRefused as problem:
            if match.is_open:
                return None
            raise Unauthorized("The request you have made requires authentication.") from problem

    def _refused(self, fault: Fault) -> Response:
        response = self._render(fault)
        if fault.status == 401 and self._authenticate_at:
            response.headers["WWW-Authenticate"] = f'Keystone uri="{self._authenticate_at}"'
        return response

    def _note(self, request: Request, response: Response, seconds: float) -> None:
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(self.name, method, str(response.status_int)).inc()
        SECONDS.labels(self.name, method).observe(seconds)
        log.info(
            "answered",
            extra={
                "client": request.client_addr,
                "method": request.method,
                "path": _TOKEN_IN_PATH.sub("…", request.path_info),
                "status": response.status_int,
                "seconds": round(seconds, 4),
            },
        )
