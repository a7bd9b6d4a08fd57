"""GET /info: what this cluster can do, for everybody to read; and more, for who has the operator's key.

common.info's registry ──▶ JSON
?swiftinfo_sig=…&swiftinfo_expires=… ──▶ is_signed() ──▶ the same with its `admin` section, or 401
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson

from ...common import info
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ
from ..settings import ProxySettings

METHODS = ("HEAD", "GET", "OPTIONS")
SIGNED_AS = {"HEAD": ("HEAD", "GET"), "GET": ("GET",)}
"""Whose signature allows a method."""


def serve_info(environ: Environ, settings: ProxySettings) -> Answer:
    """Return the capabilities; HEAD and OPTIONS answer as politely."""
    method = environ["REQUEST_METHOD"]
    if not settings.expose_info:
        return Answer.text(403, "This cluster does not say what it can do.\n")
    if method not in METHODS:
        return Answer.text(405, "", {"Allow": ", ".join(METHODS)})
    if method == "OPTIONS":
        return Answer(200, {"Allow": ", ".join(METHODS)})
    query = dict(parse_qsl(environ.get("QUERY_STRING") or "", keep_blank_values=True))
    hidden = settings.disallowed_sections
    if query.get("swiftinfo_sig") or query.get("swiftinfo_expires"):
        if not settings.admin_key:
            return Answer.text(403, "This cluster has no admin_key: nothing more can be read.\n")
        if not is_signed(method, query, key=settings.admin_key, now=time.time()):
            return Answer.text(401, "The signature is wrong or has expired.\n")
        shown = info.admin(hidden)
    else:
        shown = info.public(hidden)
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    origin = environ.get("HTTP_ORIGIN")
    if origin:
        headers |= {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "x-trans-id",
            "Vary": "Origin",
        }
    return Answer(200, headers, orjson.dumps(shown))


def is_signed(method: str, query: Mapping[str, str], *, key: str, now: float) -> bool:
    """Tell whether a query carries the method's signature, and the moment has not come when that ends."""
    expires = query.get("swiftinfo_expires", "")
    if not (expires.isascii() and expires.isdigit()) or int(expires) < now:
        return False
    given = query.get("swiftinfo_sig", "").encode()
    good = [signature(allowed, int(expires), key) for allowed in SIGNED_AS[method]]
    return any(hmac.compare_digest(each.encode(), given) for each in good)


def signature(method: str, expires: int, key: str) -> str:
    """Return the signature that lets `method` read the admin section until `expires`."""
    return hmac.new(key.encode(), f"{method}\n{expires}\n/info".encode(), "sha1").hexdigest()
