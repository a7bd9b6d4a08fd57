"""Temporary URLs: whoever holds one may do one thing with one object, or one prefix, until it expires.

    ?temp_url_sig=…&temp_url_expires=… ──▶ Grant.parse() ──▶ is it signed with a key of account or container?
        no  ──▶ 401
        yes ──▶ `apus.authorize` that allows that container (or account) and nothing else ──▶ pipeline
        answer ──▶ private headers removed, Content-Disposition and Expires added

What is signed is METHOD, expiry and path, one a line; a prefix is signed as `prefix:` and its path, and a
range of addresses goes in front as `ip=RANGE`. All of it is OpenStack Swift's. It does not know tokens.
"""

from __future__ import annotations

import calendar
import ipaddress
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote

from ...common import info
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go
from ..authorization import let_in
from ..info import get_account_info, get_container_info
from .refusals import unauthorized
from .shortcut import Affair, Shortcut, passable
from .signatures import Key, Scope, Signature, allowed_digests, published, signing_keys

log = logging.getLogger(__name__)

SIGNER = ".wsgi.tempurl"
"""Who asks, where a temporary URL has been honoured; other filters know it by this name."""
GENERATOR = "x-backend-content-generator"
"""An answer's header that names a filter which has made the body up, as `staticweb` does with listings."""
ISO_8601 = "%Y-%m-%dT%H:%M:%SZ"
YEAR_9999 = 253402300799  # Later moments have no date in HTTP.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POINTERS = frozenset({"HTTP_X_OBJECT_MANIFEST", "HTTP_X_SYMLINK_TARGET", "HTTP_X_COPY_FROM"})
"""With one of these the object would show what its signer never meant to: refused on any write."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TempurlConfig:
    """The filter's settings; all are words separated by blanks, a header's `*` stands for any ending."""

    methods: str = setting("GET HEAD PUT POST DELETE", help="Methods that temporary URLs may allow.")
    allowed_digests: str = setting(
        "sha256 sha512", help="Algorithms that temporary URLs may be signed with; sha1 is known, too."
    )
    incoming_remove_headers: str = setting(
        "x-timestamp x-open-expired", help="Headers to remove from requests made with a temporary URL."
    )
    incoming_allow_headers: str = setting("", help="Exceptions to incoming_remove_headers.")
    outgoing_remove_headers: str = setting("x-object-meta-*", help="Headers to remove from answers to them.")
    outgoing_allow_headers: str = setting(
        "x-object-meta-public-*", help="Exceptions to outgoing_remove_headers."
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Names of headers, some of them with `*` for any ending."""

    exact: frozenset[str]
    beginnings: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Names:
        """Read them."""
        words = text.lower().split()
        return cls(
            frozenset(word for word in words if not word.endswith("*")),
            tuple(word[:-1] for word in words if word.endswith("*")),
        )

    def __contains__(self, name: str) -> bool:
        return name in self.exact or name.startswith(self.beginnings)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the query of a temporary URL says; nothing of it is known to be genuine."""

    signature: str
    expires: str
    prefix: str | None = None
    ip_range: str | None = None
    filename: str | None = None
    inline: bool = False

    @classmethod
    def parse(cls, query: str) -> Grant | None:
        """Read a query (a WSGI string), None if it is no temporary URL's; the first of equal names counts."""
        if "temp_url_" not in query and "%" not in query:
            return None
        said: dict[str, str] = {}
        for name, value in parse_qsl(from_wsgi(query), keep_blank_values=True, errors="surrogateescape"):
            said.setdefault(name, value)
        if "temp_url_sig" not in said and "temp_url_expires" not in said:
            return None
        return cls(
            said.get("temp_url_sig", ""),
            said.get("temp_url_expires", ""),
            said.get("temp_url_prefix"),
            said.get("temp_url_ip_range"),
            said.get("filename"),
            "inline" in said,
        )

    def query(self) -> str:
        """Return the query with what concerns the filters behind, and nothing that a client has added."""
        words = {
            "temp_url_prefix": self.prefix,
            "temp_url_expires": self.expires,
            "temp_url_sig": self.signature,
            "temp_url_ip_range": self.ip_range or None,
            "filename": self.filename or None,
        }
        pairs = [
            f"{name}={quote(value, errors='surrogateescape')}"
            for name, value in words.items()
            if value is not None
        ]
        return "&".join([*pairs, "inline"] if self.inline else pairs)

    def expires_at(self) -> int | None:
        """Return the moment in seconds, None when it is none."""
        try:
            return int(self.expires)
        except ValueError:
            pass
        try:
            return calendar.timegm(time.strptime(self.expires, ISO_8601))
        except ValueError:
            return None

    def admits(self, address: str | None) -> bool:
        """Whether a client at that address may use it."""
        if not self.ip_range:
            return True
        try:
            return ipaddress.ip_address(address or "") in ipaddress.ip_network(self.ip_range)
        except ValueError:
            return False

    def messages(self, target: Target, method: str, expires_at: int) -> Iterator[bytes]:
        """Yield what may have been signed for this request: a HEAD is allowed by what allows more."""
        if self.prefix is None:
            path = f"/v1/{target.account}/{target.container}/{target.name}"
        else:
            path = f"prefix:/v1/{target.account}/{target.container}/{self.prefix}"
        beginning = f"ip={self.ip_range}\n" if self.ip_range else ""
        for allowed in ("HEAD", "GET", "POST", "PUT") if method == "HEAD" else (method,):
            yield f"{beginning}{allowed}\n{expires_at}\n{path}".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Target:
    """The object, or the container with an empty name, that a request is for."""

    account: str
    container: str
    name: str

    @classmethod
    def of(cls, path: str, *, may_be_container: bool) -> Target | None:
        """Return what a path (a WSGI string) names, None when no temporary URL can be for it."""
        parts = from_wsgi(path).split("/", 4)
        if len(parts) < 4 or parts[:2] != ["", "v1"] or not (parts[2] and parts[3]):
            return None
        name = parts[4] if len(parts) > 4 else ""
        if not name.strip("/") and not (may_be_container and not name):
            return None
        return cls(parts[2], parts[3], name)

    def holds(self, path: str, scope: Scope) -> bool:
        """Whether a path lies in the same container, or in the same account."""
        parts = from_wsgi(path).split("/", 4)
        depth = 3 if scope is Scope.ACCOUNT else 4
        return len(parts) >= depth and parts[2:depth] == [self.account, self.container][: depth - 2]


class Tempurl:
    """The filter."""

    def __init__(self, app: WSGIApp, config: TempurlConfig) -> None:
        self.app = app
        self.methods = frozenset(config.methods.split())
        self.digests = allowed_digests(config.allowed_digests.split())
        self.incoming_removed = Names.parse(config.incoming_remove_headers)
        self.incoming_allowed = Names.parse(config.incoming_allow_headers)
        self.outgoing_removed = Names.parse(config.outgoing_remove_headers)
        self.outgoing_allowed = Names.parse(config.outgoing_allow_headers)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        query = environ.get("QUERY_STRING")
        if not query or environ["REQUEST_METHOD"] == "OPTIONS":
            return self.app(environ, start_response)
        grant = Grant.parse(query)
        if grant is None:
            return self.app(environ, start_response)
        return self._serve(environ, start_response, grant)

    def _serve(self, environ: Environ, start_response: StartResponse, grant: Grant) -> Iterable[bytes]:
        """Serve a request that comes with a temporary URL."""
        method = environ["REQUEST_METHOD"]
        may_be_container = method in ("GET", "HEAD") and grant.prefix == ""
        target = Target.of(environ["PATH_INFO"], may_be_container=may_be_container)
        expires_at = grant.expires_at()
        key = None
        if target is not None and expires_at is not None and expires_at >= time.time():
            key = self._key(environ, grant, target, expires_at)
        if target is None or expires_at is None or key is None:
            return _invalid(environ)(environ, start_response)
        if method not in SAFE_METHODS:
            for pointer in POINTERS & environ.keys():
                name = pointer.removeprefix("HTTP_").title().replace("_", "-")
                refusal = Answer.text(400, f"The header {name!r} is not allowed in this tempurl")
                return refusal(environ, start_response)
        self._prepare(environ, grant, target, key.scope)
        visit = _Visit(self, environ, start_response, grant, target, expires_at)
        return visit.answered(self.app(environ, visit.start))

    def _key(self, environ: Environ, grant: Grant, target: Target, expires_at: int) -> Key | None:
        """Return the key that the URL has been signed with for this very request, if there is one."""
        if environ["REQUEST_METHOD"] not in self.methods or not grant.admits(environ.get("REMOTE_ADDR")):
            return None
        if grant.prefix is not None and not target.name.startswith(grant.prefix):
            return None
        try:
            signature = Signature.parse(grant.signature)
        except ValueError:
            return None
        if signature.algorithm not in self.digests:
            return None
        account = get_account_info(environ, self.app).meta
        container = get_container_info(environ, self.app).meta
        messages = list(grant.messages(target, environ["REQUEST_METHOD"], expires_at))
        for key in signing_keys(account, container):
            if any(signature.is_by(key, message) for message in messages):
                return key
        return None

    def _prepare(self, environ: Environ, grant: Grant, target: Target, scope: Scope) -> None:
        """Make the client's request one that may do what was signed, and nothing beside it."""
        for key in [key for key in environ if key.startswith("HTTP_")]:
            name = key[5:].replace("_", "-").lower()
            if name in self.incoming_removed and name not in self.incoming_allowed:
                del environ[key]

        def authorize(asking: Environ) -> Answer | None:
            return None if target.holds(asking["PATH_INFO"], scope) else _invalid(asking)

        let_in(environ, authorize)
        environ["REMOTE_USER"] = SIGNER
        environ["QUERY_STRING"] = grant.query()

    def shown(self, headers: Headers) -> Headers:
        """Return those headers of an answer that strangers may see."""
        return [
            (name, value)
            for name, value in headers
            if name.lower() not in self.outgoing_removed or name.lower() in self.outgoing_allowed
        ]


class _Visit:
    """The answer to a request that was honoured, on its way out."""

    def __init__(
        self,
        owner: Tempurl,
        environ: Environ,
        start_response: StartResponse,
        grant: Grant,
        target: Target,
        expires_at: int,
    ) -> None:
        self._owner = owner
        self._environ = environ
        self._start_response = start_response
        self._grant = grant
        self._target = target
        self._expires_at = expires_at
        self._refusal: Answer | None = None

    def start(self, status: str, headers: Headers, problem: Any = None) -> Any:
        """Scrub the answer's head, and say how a browser is to take it."""
        headers = self._owner.shown(headers)
        if status[0] == "2" and self._environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            made_up = any(name.lower() == GENERATOR and value == "staticweb" for name, value in headers)
            if not self._target.name and not made_up:
                self._refusal = _invalid(self._environ)  # A listing was not what was signed.
                return _ignore
            headers = self._disposed(headers, inline=made_up or self._grant.inline)
        return self._start_response(status, headers, problem)

    def answered(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the body, unless the answer turned out to be one that was not signed for."""
        if self._refusal is None:
            return body
        let_go(body)
        return self._refusal(self._environ, self._start_response)

    def _disposed(self, headers: Headers, *, inline: bool) -> Headers:
        stored = None
        others: Headers = []
        for name, value in headers:
            if name.lower() == "content-disposition":
                stored = value
            else:
                others.append((name, value))
        name = from_wsgi(self._environ["PATH_INFO"]).rstrip("/").rpartition("/")[2]
        value = disposition(inline=inline, filename=self._grant.filename, stored=stored, name=name)
        expires = formatdate(min(self._expires_at, YEAR_9999), usegmt=True)
        return [*others, ("Content-Disposition", value), ("Expires", expires)]


def disposition(*, inline: bool, filename: str | None, stored: str | None, name: str) -> str:
    """Return the Content-Disposition of an answer: what the URL says, what was stored, the object's name."""
    if inline:
        value = _named("inline", filename) if filename else "inline"
    elif filename:
        value = _named("attachment", filename)
    else:
        value = stored or _named("attachment", name)
    return value.replace("\r", "%0D").replace("\n", "%0A")


def _named(kind: str, filename: str) -> str:
    """Return a disposition with a file's name, for old clients and, by RFC 5987, for others."""
    plain = quote(filename, safe=" /", errors="surrogateescape")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, errors='surrogateescape')}"


def _invalid(environ: Environ) -> Answer:
    refusal = unauthorized(environ["PATH_INFO"])
    refusal.body = b"401 Unauthorized: Temp URL invalid\n"
    return refusal


def _ignore(_piece: bytes) -> None:
    """Write nothing: what WSGI calls the write callable of an answer that is replaced."""


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#tempurl`."""
    config = parse(TempurlConfig, {**global_conf, **local_conf})
    info.register(
        "tempurl",
        methods=config.methods.split(),
        incoming_remove_headers=config.incoming_remove_headers.split(),
        incoming_allow_headers=config.incoming_allow_headers.split(),
        outgoing_remove_headers=config.outgoing_remove_headers.split(),
        outgoing_allow_headers=config.outgoing_allow_headers.split(),
        **published(allowed_digests(config.allowed_digests.split())),
    )
    return passable(lambda app: Tempurl(app, config), Affair())
