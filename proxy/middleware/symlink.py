"""Objects that stand for other objects.

    PUT X-Symlink-Target: c/o ──▶ an empty object that says where it leads
    GET, HEAD of it ──▶ the target's answer, with Content-Location      ?symlink=get: the link itself
    POST to it ──▶ 307 Location: the target       DELETE: the link      listing: symlink_path in JSON

A static link (X-Symlink-Target-Etag) leads to one version of its target only, and to 409 when that is gone.
The client's rights decide about each object on the way, as if it had asked for it. What links look like on
disk and in listings is links.py's affair; it does not know large objects, which stand before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import orjson

from ...common import info
from ...common.config import parse, setting
from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go
from ..call import has_body
from . import links
from .inner import Reply, ask, call, heard, inner_environ
from .links import Link
from .listing_documents import holds_mark
from .named_paths import account_name, container_and_object, decoded, encoded
from .shortcut import Affair, Shortcut, passable

TARGET, ACCOUNT = "HTTP_X_SYMLINK_TARGET", "HTTP_X_SYMLINK_TARGET_ACCOUNT"
ETAG, BYTES = "HTTP_X_SYMLINK_TARGET_ETAG", "HTTP_X_SYMLINK_TARGET_BYTES"
OVERRIDE = "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"
RESERVED = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
IGNORE_RANGE = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"
POLICY = "HTTP_X_BACKEND_STORAGE_POLICY_INDEX"
KNOWN_ETAG = "HTTP_X_OBJECT_SYSMETA_SYMLINK_TARGET_ETAG"
KNOWN_BYTES = "HTTP_X_OBJECT_SYSMETA_SYMLINK_TARGET_BYTES"
"""Said by a filter that has made a static link's target itself: nobody needs to look at it."""
AFFAIR = Affair(
    headers=frozenset((TARGET, "HTTP_RANGE")), marks=frozenset((links.TARGET, links.TARGET.title()))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymlinkConfig:
    """The filter's settings."""

    symloop_max: int = setting(
        2, help="Links that lead to one another before an object must come.", minimum=1
    )


class _Broken(Refused):
    """A link does not lead where it should."""

    def __init__(self, sentence: str, location: str = "") -> None:
        super().__init__(sentence, 409)
        self.location = location


@dataclass(slots=True)
class _Trail:
    """Where the links have led so far, and what the last one says must be found there."""

    location: str = ""
    etag: str = ""
    steps: int = 0
    follows_names: bool = True
    """Whether a link without an etag is followed."""

    def expect(self, etag: str) -> None:
        """Refuse to go on at a link that is not the one the last one meant."""
        if self.etag and self.etag != etag:
            raise _Broken("X-Symlink-Target-Etag headers do not match", self.location)

    def arrive(self, etag: str) -> None:
        """Refuse a target that is not the version the last link meant."""
        if self.etag and etag and self.etag != etag:
            sentence = f"Object Etag {etag!r} does not match X-Symlink-Target-Etag header {self.etag!r}"
            raise _Broken(sentence, self.location)


class Symlink:
    """The filter."""

    def __init__(self, app: WSGIApp, config: SymlinkConfig) -> None:
        self.app = app
        self._steps_max = config.symloop_max

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        pieces = environ["PATH_INFO"].split("/", 4)
        try:
            if len(pieces) == 5 and pieces[4]:
                if method in ("GET", "HEAD"):
                    return self._read(environ, start_response)
                if method == "PUT" and TARGET in environ:
                    self._make(environ)
                elif method == "POST":
                    return self._post(environ, start_response)
            elif method == "GET" and len(pieces) > 3 and pieces[3]:
                return self._list(environ, start_response)
        except _Broken as broken:
            where = {"Content-Location": broken.location} if broken.location else None
            return Answer.text(broken.status, str(broken), where)(environ, start_response)
        except Refused as refusal:
            return Answer.text(refusal.status, str(refusal))(environ, start_response)
        return self.app(environ, start_response)

    # --- following ---------------------------------------------------------------------------

    def _read(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the object at the end of the links."""
        wants_link = _wants_link(environ)
        if "HTTP_RANGE" in environ and not wants_link:
            _ignore_range_of_links(environ)
        status, headers, body = heard(self.app, environ)
        if not _tells_of_link(headers):
            start_response(status, headers)
            return body
        if wants_link:
            start_response(status, links.shown(headers))
            return body
        first = Reply(int(status[:3]), {name.lower(): value for name, value in headers}, body)
        trail = _Trail()
        answer = self._followed(environ, first, trail).answer()
        answer.headers["Content-Location"] = trail.location
        return answer(environ, start_response)

    def _followed(self, environ: Environ, reply: Reply, trail: _Trail) -> Reply:
        """Return what is found where the links from an answer on lead."""
        while (link := links.link_of(reply.headers)) and (link.etag or trail.follows_names):
            reply.close()
            trail.expect(link.etag or _etag(reply))
            if trail.steps >= self._steps_max:
                raise _Broken(f"Too many levels of symbolic links, maximum allowed is {self._steps_max}")
            trail.location = link.location(*_whereabouts(environ, trail.location))
            trail.etag, trail.follows_names = link.etag, True
            trail.steps += not link.is_free
            reply = call(self.app, _onward(environ, trail.location, link))
        try:
            trail.arrive(_etag(reply))
        except _Broken:
            reply.close()
            raise
        return reply

    # --- making ------------------------------------------------------------------------------

    def _make(self, environ: Environ) -> None:
        """Turn the request into one for an object that is a link."""
        if has_body(environ):
            raise Refused("Symlink requests require a zero byte body")
        link = _asked_for(environ)
        if environ.get(KNOWN_ETAG):
            link = replace(link, etag=environ[KNOWN_ETAG], size=environ[KNOWN_BYTES])
        elif link.etag and "swift.symlink_override" in environ:  # Its target may come later, or never.
            link = replace(link, size=environ.get(BYTES, ""))
        elif link.etag:
            link = self._made_static(environ, link)
        elif not environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = "application/symlink"
        for key in (TARGET, ACCOUNT, ETAG, BYTES):
            environ.pop(key, None)
        for name, value in links.stored(link).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        environ[OVERRIDE] = links.row_etag(link, environ.get(OVERRIDE, ""))

    def _made_static(self, environ: Environ, link: Link) -> Link:
        """Return the link with its target's size, after a look whether that is the one which is meant."""
        trail = _Trail(link.location(*_whereabouts(environ)), link.etag, follows_names=False)
        headers = {"X-Backend-Allow-Reserved-Names": environ[RESERVED]} if RESERVED in environ else {}
        first = ask(self.app, environ, "HEAD", decoded(trail.location), headers=headers)
        target = self._followed(environ, first, trail)
        target.close()
        if target.status == 404:
            raise _Broken("X-Symlink-Target does not exist", trail.location)
        if not target.is_good:
            raise Refused("X-Symlink-Target cannot be read", target.status)
        carried = links.carried(target.headers)
        if carried and OVERRIDE not in environ:
            environ[OVERRIDE] = carried
        if not environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = target.headers.get("content-type", "application/symlink")
        return replace(link, size=target.headers.get(links.SLO_SIZE) or target.headers["content-length"])

    # --- the rest ----------------------------------------------------------------------------

    def _post(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Change the metadata of what the name stands for, and say so if that is a link."""
        if TARGET in environ:
            raise Refused("A PUT request is required to set a symlink target")
        status, headers, body = heard(self.app, environ)
        if status[0] != "2" or not _tells_of_link(headers):
            start_response(status, headers)
            return body
        said = {name.lower(): value for name, value in headers}
        let_go(body)
        link = links.link_of(said)
        assert link is not None
        about = {name: value for name, value in said.items() if name.startswith("x-object-sysmeta-")}
        about["Location"] = link.location(*_whereabouts(environ))
        if link.etag:
            about["X-Symlink-Target-Etag"] = link.etag
        environ["swift.leave_relative_location"] = True
        sentence = "The metadata was given to the symlink itself. To change its target's, POST to that."
        return Answer.text(307, sentence, about)(environ, start_response)

    def _list(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with a container's listing in which links are told from other objects."""
        status, headers, body = heard(self.app, environ)
        if status[:3] != "200" or not _is_json(headers):
            start_response(status, headers)
            return body
        document = b"".join(body)
        let_go(body)
        if holds_mark(document, links.ROW_MARK):
            version, account = _whereabouts(environ)
            rows = orjson.loads(document)
            document = orjson.dumps([links.listed(row, version=version, account=account) for row in rows])
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(document))))
        start_response(status, headers)
        return [document]


def _asked_for(environ: Environ) -> Link:
    """Return the link that a PUT's headers describe; raise Refused where it cannot be."""
    given = environ[TARGET]
    if decoded(given).startswith("/"):
        container_and_object("", "X-Symlink-Target")
    container, name = container_and_object(given, "X-Symlink-Target")
    account = account_name(environ[ACCOUNT]) if ACCOUNT in environ else ""
    link = Link(
        encoded(f"{container}/{name}"), encoded(account), links.checked_etag(environ.get(ETAG, "").strip())
    )
    if decoded(link.location(*_whereabouts(environ))) == from_wsgi(environ["PATH_INFO"]):
        raise Refused("Symlink cannot target itself")
    return link


def _onward(environ: Environ, location: str, link: Link) -> Environ:
    """Return the client's request as one for the target; for a name that no client can say, a trusted one."""
    method = environ["REQUEST_METHOD"]
    made = inner_environ(
        environ, "HEAD" if method == "PUT" else method, decoded(location), trusted=link.reaches_reserved
    )
    if method != "PUT":
        said = {key: value for key, value in environ.items() if key.startswith("HTTP_") and key != POLICY}
        made.update(said, QUERY_STRING=environ.get("QUERY_STRING") or "")
    if link.reaches_reserved:
        made[RESERVED] = "true"
    return made


def _whereabouts(environ: Environ, location: str = "") -> tuple[str, str]:
    """Return the API version and the account, percent-encoded, of a location, else of the request."""
    version, account = (location or encoded(from_wsgi(environ["PATH_INFO"]))).split("/", 3)[1:3]
    return version, account


def _wants_link(environ: Environ) -> bool:
    query = environ.get("QUERY_STRING") or ""
    return "symlink" in query and parse_qs(query).get("symlink", [""])[-1] == "get"


def _ignore_range_of_links(environ: Environ) -> None:
    """Ask for all of a link, which has nothing that a range could be of: the range is for its target."""
    names = [environ[IGNORE_RANGE]] if IGNORE_RANGE in environ else []
    environ[IGNORE_RANGE] = ",".join((*names, links.TARGET))


def _tells_of_link(headers: list[tuple[str, str]]) -> bool:
    return any(name.lower() == links.TARGET for name, _ in headers)


def _is_json(headers: list[tuple[str, str]]) -> bool:
    return any(
        name.lower() == "content-type" and value.startswith("application/json") for name, value in headers
    )


def _etag(reply: Reply) -> str:
    return reply.headers.get("etag", "").strip('"')


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#symlink`."""
    config = parse(SymlinkConfig, {**global_conf, **local_conf})
    info.register("symlink", symloop_max=config.symloop_max, static_links=True)
    return passable(lambda app: Symlink(app, config), AFFAIR)
