"""Websites in containers: an index page for each directory, else a listing, and pages for errors.

    GET of a container or a name ──▶ Site.of(container's metadata) ──none──▶ pipeline, untouched
        the object, or name/ + index, or a listing, or STATUS + error page; name without its slash ──▶ 301

For visitors without a token and with a temporary URL for a prefix; who shows a token sees the API, but for
`X-Web-Mode: true`. Everything is read with the visitor's own rights. The metadata is OpenStack Swift's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from ...common import info
from ...common.config import parse, setting, true_value
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go, to_wsgi
from ..authorization import denial
from ..info import get_container_info
from . import web_pages
from .inner import Reply, ask, call
from .s3.marks import OPERATION
from .shortcut import Affair, Shortcut, passable
from .tempurl import GENERATOR, SIGNER, Grant

DIRECTORY_TYPE = "application/directory"
HTML = "text/html; charset=UTF-8"
ERROR_PAGE, ELSEWHERE = "s3api-website-error", "s3api-website-elsewhere"
OBJECT_ELSEWHERE = "x-object-sysmeta-s3api-website-redirect-location"
"""What S3's clients have said of websites."""
LISTING_BYTES_MAX = 20 * 1024 * 1000  # Ten thousand rows of longest names.


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticwebConfig:
    """The filter's settings."""

    url_base: str = setting(
        "",
        help="Scheme and host for redirects, as https://www.example.com, where it is not what clients say.",
    )


@dataclass(frozen=True, slots=True)
class Site:
    """What a container's owner has said of its website; all is text."""

    index: str = ""
    error: str = ""
    listings: str = ""
    label: str = ""
    css: str = ""
    directory_type: str = DIRECTORY_TYPE
    error_page: str = ""
    """The page for all that is the visitor's fault, whatever its status."""
    elsewhere: str = ""
    """Scheme and host where the website is, without the scheme where it is the visitor's."""

    @classmethod
    def of(cls, meta: Mapping[str, str], sysmeta: Mapping[str, str]) -> Site:
        """Read it from a container's metadata; what only S3 has words for is system metadata."""

        def said(name: str) -> str:
            return from_wsgi(meta.get(name, "")).strip()

        return cls(
            said("web-index"),
            said("web-error"),
            said("web-listings"),
            said("web-listings-label"),
            said("web-listings-css"),
            said("web-directory-type") or DIRECTORY_TYPE,
            from_wsgi(sysmeta.get(ERROR_PAGE, "")),
            from_wsgi(sysmeta.get(ELSEWHERE, "")),
        )

    @property
    def is_one(self) -> bool:
        """Whether there is a website at all."""
        return bool(self.index or self.listings or self.elsewhere)

    @property
    def lists(self) -> bool:
        """Whether its directories are shown."""
        return true_value(self.listings)


class Staticweb:
    """The filter."""

    def __init__(self, app: WSGIApp, config: StaticwebConfig) -> None:
        self.app = app
        base = urlsplit(config.url_base)
        self.scheme, self.host = base.scheme, base.netloc

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        user = environ.get("REMOTE_USER")
        if user and user != SIGNER and not true_value(environ.get("HTTP_X_WEB_MODE") or ""):
            return self.app(environ, start_response)
        if OPERATION in environ:  # Its clients want what is stored, and errors that they can read.
            return self.app(environ, start_response)
        if "apus.authorize" not in environ and "swift.authorize" not in environ:
            return self.app(environ, start_response)  # Nobody would ask whether the visitor may.
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 4 or parts[0] or not (parts[1] and parts[2] and parts[3]):
            return self.app(environ, start_response)
        name = from_wsgi(parts[4]) if len(parts) > 4 else ""
        found = get_container_info(environ, self.app)
        visit = _Visit(self, environ, Site.of(found.meta, found.sysmeta), name)
        if visit.site.elsewhere:
            answer: Answer | None = visit.elsewhere()
        elif not name:
            answer = visit.container(found.read_acl)
        else:
            answer = visit.object() if visit.site.is_one else None
        return answer(environ, start_response) if answer is not None else self.app(environ, start_response)


class _Visit:
    """One request of a visitor."""

    def __init__(self, owner: Staticweb, environ: Environ, site: Site, name: str) -> None:
        self._owner = owner
        self._app = owner.app
        self._environ = environ
        self._name = name
        self._path = from_wsgi(environ["PATH_INFO"])
        self._root = "/".join(self._path.split("/", 4)[:4])
        self.site = site

    def container(self, acl: str | None) -> Answer | None:
        """Serve the container itself; None where it is no website."""
        refusal = denial(self._environ, acl)
        if refusal is not None:
            return self._failed(refusal)
        if not self.site.is_one:
            if true_value(self._environ.get("HTTP_X_WEB_MODE") or ""):
                return _missing()
            return None
        self._environ["swift.format_listing"] = False  # What comes now is a page, whatever its type.
        if not self._path.endswith("/"):
            return self._redirect()
        return self._index() or self._directory("")

    def elsewhere(self) -> Answer:
        """Send the visitor to where the website is."""
        place = self.site.elsewhere
        if "://" not in place:
            place = f"{self._environ.get('wsgi.url_scheme', 'http')}://{place}"
        return _moved(f"{place}/{quote(self._name, errors='surrogateescape')}")

    def object(self) -> Answer:
        """Serve a name: an object, or a directory."""
        reply = call(self._app, dict(self._environ))
        if reply.is_good and OBJECT_ELSEWHERE in reply.headers:
            reply.close()
            return _moved(reply.headers[OBJECT_ELSEWHERE])
        if reply.status // 100 in (2, 3) and not self._is_directory(reply):
            return reply.answer()
        if reply.status // 100 not in (2, 3) and reply.status != 404:
            return reply.answer()
        reply.close()
        is_directory = self._path.endswith("/")
        index = self._index()
        if index is not None:
            if index.status // 100 in (2, 3) and not is_directory:
                let_go(index.body)
                return self._redirect()
            return index
        if is_directory:
            return self._directory(self._name)
        if self._rows(self._name + "/", limit="1"):
            return self._redirect()
        return self._failed(_missing())

    def _index(self) -> Answer | None:
        """Return the directory's index page, None when it has none."""
        if not self.site.index:
            return None
        path = self._path if self._path.endswith("/") else self._path + "/"
        reply = call(self._app, self._at(path + self.site.index))
        if reply.status == 404:
            reply.close()
            return None
        answer = reply.answer()
        if reply.status // 100 not in (2, 3):
            return self._failed(answer)
        if not self._name:
            answer.headers[GENERATOR.title()] = "staticweb"
        return answer

    def _directory(self, prefix: str) -> Answer:
        """Return the listing of a directory, which ends with a slash unless it is the root."""
        site = self.site
        label = self._path
        if site.label:
            label = f"{site.label}/{self._name}"
        css = web_pages.css_link(site.css, prefix)
        if not site.lists:
            page = web_pages.no_listing(label=label, index=site.index, css=css)
            return self._failed(Answer(404, {"Content-Type": HTML}, _encoded(page)))
        rows = self._rows(prefix)
        if isinstance(rows, Answer):
            return self._failed(rows)
        if prefix and not rows:
            return self._failed(_missing())
        grant = self._grant()
        page = web_pages.listing(
            rows,
            label=label,
            prefix=prefix,
            has_parent=len(prefix) > len((grant and grant.prefix) or ""),
            query=grant.query() if grant is not None else "",
            css=css,
        )
        headers = {"Content-Type": HTML, GENERATOR.title(): "staticweb"}
        return Answer(200, headers, _encoded(page))

    def _rows(self, prefix: str, limit: str | None = None) -> Any:
        """Return the rows of a directory, or the answer that there was in their place."""
        query = {"format": "json", "delimiter": "/", "prefix": prefix}
        if limit is not None:
            query["limit"] = limit
        reply = ask(self._app, self._environ, "GET", self._root, query=query)
        if not reply.is_good:
            if limit is None:
                return reply.answer()
            reply.close()
            return []
        document = reply.read(LISTING_BYTES_MAX)
        return json.loads(document) if document else []

    def _failed(self, answer: Answer) -> Answer:
        """Return the owner's page for a status, or the answer as it is."""
        if self.site.error_page and answer.status // 100 == 4:
            path = f"{self._root}/{self.site.error_page}"
        elif self.site.error:
            path = f"{self._root}/{answer.status}{self.site.error}"
        else:
            return answer
        reply = ask(self._app, self._environ, "GET", path)
        if not reply.is_good:
            reply.close()
            return answer
        let_go(answer.body)
        page = reply.answer()
        page.status = answer.status
        return page

    def _redirect(self) -> Answer:
        """Send the visitor to the same path with a slash, from where relative links are right."""
        environ = self._environ
        scheme = self._owner.scheme or environ.get("wsgi.url_scheme", "http")
        host = (
            self._owner.host or environ.get("HTTP_HOST") or "{SERVER_NAME}:{SERVER_PORT}".format_map(environ)
        )
        location = f"{scheme}://{host}{quote(self._path + '/', errors='surrogateescape')}"
        grant = self._grant()
        if grant is not None:
            location += "?" + grant.query()
        sentence = "This is a directory: its address ends with a slash.\n"
        return Answer.text(301, sentence, {"Location": location})

    def _grant(self) -> Grant | None:
        """Return the temporary URL for a prefix that the visitor came with."""
        if self._environ.get("REMOTE_USER") != SIGNER:
            return None
        grant = Grant.parse(self._environ.get("QUERY_STRING") or "")
        return None if grant is None or grant.prefix is None else replace(grant, filename=None)

    def _at(self, path: str) -> Environ:
        """Return the visitor's own request for another path."""
        raw = quote(path, errors="surrogateescape")
        return {**self._environ, "PATH_INFO": to_wsgi(path), "RAW_PATH_INFO": raw}

    def _is_directory(self, reply: Reply) -> bool:
        """Whether an object only marks a directory."""
        length = reply.headers.get("content-length", "")
        is_short = not length.isdigit() or int(length) <= 1
        return is_short and reply.headers.get("content-type") == to_wsgi(self.site.directory_type)


def _moved(location: str) -> Answer:
    return Answer.text(301, "The page is elsewhere.\n", {"Location": location})


def _missing() -> Answer:
    return Answer.text(404, "There is no such page.\n")


def _encoded(page: str) -> bytes:
    return page.encode("utf-8", "surrogateescape")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#staticweb`."""
    config = parse(StaticwebConfig, {**global_conf, **local_conf})
    info.register("staticweb")
    return passable(
        lambda app: Staticweb(app, config), Affair(headers=frozenset(("HTTP_X_WEB_MODE",)), strangers=True)
    )
