"""What a request may be refused with, and how each service says so.

    raise NotFound("There is no image …") ──▶ Service ──▶ nova_style | keystone_style | neutron_style | …

The bodies are those that OpenStack's clients parse: {"itemNotFound": {"code", "message"}} of Nova and Cinder,
{"error": {"code", "message", "title"}} of Keystone, {"NeutronError": {"type", "message", "detail"}}, and
Glance's page of HTML.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from http import HTTPStatus

from webob import Response

from ...common.errors import ApusError
from .reply import answer


class Fault(ApusError):
    """A request that is not granted; the text says to a person why, and what would be right."""

    def __init__(
        self, status: int, message: str, kind: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.headers = dict(headers or {})


class _OfStatus(Fault):
    """A fault whose status its class says."""

    usual_status: int

    def __init__(self, message: str, kind: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.usual_status, message, kind, headers)


class BadRequest(_OfStatus):
    """400: the request itself is wrong."""

    usual_status = 400


class Unauthorized(_OfStatus):
    """401: nobody knows who asks."""

    usual_status = 401


class Forbidden(_OfStatus):
    """403: who asks may not."""

    usual_status = 403


class NotFound(_OfStatus):
    """404: there is no such thing, as far as who asks may know."""

    usual_status = 404


class MethodNotAllowed(_OfStatus):
    """405: the path is there, the method is not."""

    usual_status = 405


class NotAcceptable(_OfStatus):
    """406: a version was asked for that is not served."""

    usual_status = 406


class Conflict(_OfStatus):
    """409: not in this state."""

    usual_status = 409


class Gone(_OfStatus):
    """410: it was there once, or is there no more in this version."""

    usual_status = 410


class OverLimit(_OfStatus):
    """413: a quota or a size would be exceeded."""

    usual_status = 413


class UnsupportedMedia(_OfStatus):
    """415: the body is of a type that is not taken."""

    usual_status = 415


class RangeUnsatisfiable(_OfStatus):
    """416: the bytes asked for are not there."""

    usual_status = 416


class NotImplementedYet(_OfStatus):
    """501: known, and not done here."""

    usual_status = 501


class Unavailable(_OfStatus):
    """503: something that is needed cannot be reached; the same request may work later."""

    usual_status = 503


RenderFault = Callable[[Fault], Response]

_NOVA_KINDS: Mapping[int, str] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def title_of(status: int) -> str:
    """The reason phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def nova_style(fault: Fault) -> Response:
    """Say it as Nova and Cinder do."""
    kind = fault.kind or _NOVA_KINDS.get(fault.status, "computeFault")
    return answer(fault.status, {kind: {"code": fault.status, "message": fault.message}}, fault.headers)


def keystone_style(fault: Fault) -> Response:
    """Say it as Keystone does."""
    document = {"code": fault.status, "message": fault.message, "title": title_of(fault.status)}
    return answer(fault.status, {"error": document}, fault.headers)


def neutron_style(fault: Fault) -> Response:
    """Say it as Neutron does."""
    kind = fault.kind or f"HTTP{title_of(fault.status).replace(' ', '')}"
    document = {"type": kind, "message": fault.message, "detail": ""}
    return answer(fault.status, {"NeutronError": document}, fault.headers)


def glance_style(fault: Fault) -> Response:
    """Say it as Glance does: a page for a person."""
    title = f"{fault.status} {title_of(fault.status)}"
    page = (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n"
        f"  {html.escape(fault.message)}<br /><br />\n\n\n </body>\n</html>"
    )
    response = Response(page, status=fault.status, content_type="text/html", charset="UTF-8")
    response.headers.update(fault.headers)
    return response
