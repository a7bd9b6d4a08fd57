"""Metadata for guests: 169.254.169.254 in each namespace, answered by the server service.

    guest ──GET /latest/…──▶ door of its namespace ──whose address is it here?──▶ server service, signed

A guest is who has the address in that network, and nothing that it says itself counts: the firewall keeps it
to its addresses, and headers of its own by these names are not handed on. The server service believes the
instance's id because of the signature, as Nova's does (HMAC-SHA256 of the id with the shared secret).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

from webob import Request, Response

from ....common import concurrency
from ....common.errors import Unavailable
from ....common.http.server import HttpServer
from ....common.http.settings import ServerConfig
from ....common.http.wsgi import Environ, StartResponse
from .dhcp import METADATA_ADDRESS
from .layout import Guest, MetadataDoor
from .namespaces import listener, namespace_number

log = logging.getLogger(__name__)

PORT = 80
PATIENCE_SECONDS = 30.0
BODY_BYTES_MAX = 65536  # What a guest sends: its password, encrypted.
_HANDED_BACK = ("Content-Type", "ETag", "Cache-Control")


def signature(device_id: str, secret: str) -> str:
    """Return what proves that the id was put there by one who knows the secret."""
    return hmac.new(secret.encode(), device_id.encode(), hashlib.sha256).hexdigest()


def headers_for(guest: Guest, address: str, secret: str) -> dict[str, str]:
    """Return how a request of this guest is introduced to the server service."""
    return {
        "X-Forwarded-For": address,
        "X-Instance-ID": guest.device_id,
        "X-Tenant-ID": guest.project_id,
        "X-Instance-ID-Signature": signature(guest.device_id, secret),
    }


class Door:
    """The WSGI application of one namespace."""

    def __init__(self, guests: Mapping[str, Guest], url: str, secret: str) -> None:
        self.guests = guests
        self._url = urlsplit(url)
        self._secret = secret

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request of a guest."""
        response = self._response(Request(environ))
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def _response(self, request: Request) -> Response:
        address = request.remote_addr or ""
        guest = self.guests.get(address)
        if guest is None:
            return Response("nobody is known by this address\n", status=404, content_type="text/plain")
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return Response("too long\n", status=413, content_type="text/plain")
        try:
            return self._handed_on(request, guest, address)
        except (OSError, http.client.HTTPException) as problem:
            log.warning("no metadata for a guest", extra={"server": guest.device_id, "problem": str(problem)})
            return Response("metadata can't be had now\n", status=503, content_type="text/plain")

    def _handed_on(self, request: Request, guest: Guest, address: str) -> Response:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=PATIENCE_SECONDS)
        path = f"{self._url.path.rstrip('/')}/internal/metadata/{quote(guest.device_id)}{quote(request.path)}"
        headers = headers_for(guest, address, self._secret)
        if request.content_type:
            headers["Content-Type"] = request.content_type
        try:
            connection.request(request.method, path, request.body or None, headers)
            answered = connection.getresponse()
            response = Response(answered.read(), status=answered.status)
            response.headers.update({name: v for name in _HANDED_BACK if (v := answered.getheader(name))})
        finally:
            connection.close()
        return response


class Doors:
    """All doors of the host."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._open: dict[str, tuple[Door, HttpServer, int]] = {}

    def close_others(self, doors: Mapping[str, MetadataDoor]) -> None:
        """Close those of namespaces that are about to go: an open socket would keep a namespace alive."""
        for namespace in sorted(self._open):
            _, server, number = self._open[namespace]
            if namespace not in doors or namespace_number(namespace) != number:
                del self._open[namespace]
                server.stop(graceful=False)

    def open(self, doors: Mapping[str, MetadataDoor]) -> int:
        """Open those that are wanted, tell all who their guests are; return how many could not be opened."""
        failed = 0
        for door in doors.values() if self._url else ():
            if door.namespace in self._open:
                self._open[door.namespace][0].guests = door.guests
                continue
            try:
                self._open[door.namespace] = self._opened(door)
            except Unavailable as problem:
                failed += 1
                log.warning("no metadata in a namespace", extra={"problem": str(problem)})
        return failed

    def _opened(self, door: MetadataDoor) -> tuple[Door, HttpServer, int]:
        app = Door(door.guests, self._url, self._secret)
        server = HttpServer(app, ServerConfig(connections_max=64))
        concurrency.spawn(server.serve, listener(door.namespace, METADATA_ADDRESS, PORT))
        return app, server, namespace_number(door.namespace)
