"""Who may open a websocket here: the token that a request has, and the page that it comes from.

    path, cookie ──▶ token_of()        origin, host, scheme ──▶ is_own_page()

Browsers send a page's origin with each websocket and let any page open one, with the cookies of the host that
it goes to. So a page of another host is refused, whatever it sends. What is no browser sends no origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

# Whatever else is sent as a token opens nothing, and nobody needs to be asked.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def token_of(path: str, cookie: str) -> str:
    """Return the token that a request has in its query, or, as old pages of noVNC send it, in a cookie."""
    token = parse_qs(path.partition("?")[2]).get("token", [""])[-1]
    if not token and cookie:
        try:
            morsel = SimpleCookie(cookie).get("token")
        except CookieError:
            return ""
        token = morsel.value if morsel is not None else ""
    return token if _TOKEN.fullmatch(token) else ""


def is_own_page(origin: str | None, host: str, *, scheme: str, allowed: Iterable[str]) -> bool:
    """Whether a request may come from where it says that it comes from.

    `host` is the request's Host header, `scheme` that of the URLs which the service gives for consoles. As
    elsewhere in OpenStack the port is of no concern, and a request without an origin is nobody's page.
    """
    if origin is None:
        return True
    try:
        page, own = urlsplit(origin), urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if not page.hostname or page.scheme != scheme:
        return False
    return page.hostname in {own, *(name.lower() for name in allowed)}


def wants_websocket(connection: str, upgrade: str) -> bool:
    """Whether a request asks for a websocket rather than for a page."""
    return "upgrade" in _words(connection) and "websocket" in _words(upgrade)


def _words(header: str) -> list[str]:
    return [word.strip().lower() for word in header.split(",")]
