"""Uploads from a page in a browser: a signed HTML form puts its files without a token.

    POST /v1/AUTH_a/c/prefix, multipart/form-data ──▶ fields, in their order, until a file comes
        file ──▶ signed with a key of account or container, and still good? ──PUT prefix + name──▶ pipeline
        last ──▶ 201, or 303 to the signed `redirect` with ?status=…&message=…

What is signed is path, redirect, max_file_size, max_file_count and expires, one a line. Fields after a file
count for nothing. All of it is OpenStack Swift's.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ...common import info
from ...common.config import parse, setting
from ...common.constraints import API_VERSIONS
from ...common.errors import Refused
from ...common.http.answer import Answer, status_line
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, to_wsgi
from ..info import get_account_info, get_container_info
from .inner import Reply, ask
from .multipart import Multipart, Part, attributes_of
from .refusals import unauthorized
from .shortcut import Affair, Shortcut, passable
from .signatures import Key, Signature, allowed_digests, published, signing_keys

VALUE_BYTES_MAX = 4096
ANSWER_BYTES_MAX = 1 << 16
FORM = "multipart/form-data"
_controls = re.compile(r"[\x00-\x1f\x7f]").search
_PRINTABLE = "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FormpostConfig:
    """The filter's settings."""

    allowed_digests: str = setting(
        "sha256 sha512", help="Algorithms that forms may be signed with; sha1 is known, too."
    )


class Unsigned(Refused):
    """Nobody who may has signed this form."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 401)


@dataclass(frozen=True, slots=True)
class Fields:
    """The form's fields so far, by their names in lower case."""

    path: str
    values: Mapping[str, str]

    def number(self, name: str, *, sentence: str) -> int:
        """Return a field that must be a number, 0 where it is not there."""
        try:
            return int(self.values.get(name) or 0)
        except ValueError as problem:
            raise Refused(sentence) from problem

    def message(self) -> bytes:
        """Return what has been signed."""
        said = self.values.get
        lines = (
            self.path,
            said("redirect") or "",
            said("max_file_size") or "0",
            said("max_file_count") or "0",
            said("expires") or "0",
        )
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    def require_signed(self, keys: Iterable[Key], digests: frozenset[str], now: float) -> None:
        """Refuse a form that is over, or that nobody has signed."""
        if self.number("expires", sentence="expired not an integer") < now:
            raise Unsigned("form expired")
        try:
            signature = Signature.parse(self.values.get("signature", ""))
        except ValueError as problem:
            raise Unsigned("invalid signature") from problem
        message = self.message()
        if signature.algorithm not in digests or not any(signature.is_by(key, message) for key in keys):
            raise Unsigned("invalid signature")

    def headers(self, part: Part) -> dict[str, str]:
        """Return an object's headers: those of the form, else those of the file."""
        headers = {}
        for name, header, kind in (
            ("x_delete_at", "X-Delete-At", "Unix timestamp"),
            ("x_delete_after", "X-Delete-After", "Number of seconds"),
        ):
            if name in self.values:
                number = self.number(name, sentence=f"{name} not an integer: {kind} required.")
                headers[header] = str(number)
        for name, header in (("content-type", "Content-Type"), ("content-encoding", "Content-Encoding")):
            value = self.values.get(name) if name in self.values else part.headers.get(name)
            if value is not None:
                if _controls(value):
                    raise Refused(f"{name} is no header")
                headers[header] = to_wsgi(value) or "application/octet-stream"
        return headers


class _Limited:
    """A file that may not be larger than what was signed."""

    def __init__(self, source: Multipart, size_max: int) -> None:
        self._source = source
        self._left = size_max

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("max_file_size exceeded")
        return data


class TooLarge(Exception):
    """The file is larger than it may be; not `Refused`, which the proxy would answer itself."""


@dataclass(slots=True)
class Outcome:
    """What became of the form so far."""

    status: int = 400
    message: str = "no files to process"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Formpost:
    """The filter."""

    def __init__(self, app: WSGIApp, config: FormpostConfig) -> None:
        self.app = app
        self.digests = allowed_digests(config.allowed_digests.split())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] != "POST" or FORM not in environ.get("CONTENT_TYPE", ""):
            return self.app(environ, start_response)
        kind, attributes = attributes_of(environ["CONTENT_TYPE"])
        if kind != FORM or not attributes.get("boundary"):
            return self.app(environ, start_response)
        return self._answer(environ, attributes["boundary"])(environ, start_response)

    def _answer(self, environ: Environ, boundary: str) -> Answer:
        try:
            return self._taken(environ, Multipart(environ["wsgi.input"], boundary.encode("latin-1")))
        except Unsigned as problem:
            refusal = unauthorized(environ["PATH_INFO"])
            refusal.body = f"FormPost: {str(problem).title()}".encode()
            return refusal
        except (Refused, TooLarge) as problem:
            return Answer.text(400, f"FormPost: {problem}")

    def _taken(self, environ: Environ, form: Multipart) -> Answer:
        """Put the files of a form."""
        keys = self._keys(environ)
        values: dict[str, str] = {}
        fields = Fields(from_wsgi(environ["PATH_INFO"]), values)
        outcome = Outcome()
        begun, files = time.time(), 0
        for part in form:
            attributes = part.attributes
            if not attributes.get("filename"):
                if "name" in attributes:
                    values[attributes["name"].lower()] = _value(form)
                continue
            files += 1
            if files > fields.number("max_file_count", sentence="max_file_count not an integer"):
                outcome = Outcome(400, "max file count exceeded")
                break
            reply = self._put(environ, fields, keys, form, part)
            outcome = Outcome(reply.status, "", _for_other_origins(reply), reply.read(ANSWER_BYTES_MAX))
            if not reply.is_good:
                break
        return self._told(outcome, fields, keys, begun)

    def _put(self, environ: Environ, fields: Fields, keys: list[Key], form: Multipart, part: Part) -> Reply:
        """Put one file."""
        size_max = fields.number("max_file_size", sentence="max_file_size not an integer")
        headers = fields.headers(part)
        fields.require_signed(keys, self.digests, time.time())
        if "HTTP_ORIGIN" in environ:
            headers["Origin"] = environ["HTTP_ORIGIN"]
        path = fields.path
        if path.count("/") < 4:
            path += "/"
        path += part.attributes["filename"]
        return ask(
            self.app, environ, "PUT", path, headers=headers, body=_Limited(form, size_max), trusted=True
        )

    def _told(self, outcome: Outcome, fields: Fields, keys: list[Key], begun: float) -> Answer:
        """Return the answer; a page is only sent on to where the form's signer said."""
        redirect = fields.values.get("redirect")
        if redirect:
            fields.require_signed(
                keys, self.digests, begun
            )  # What is stored must not be said to have failed.
            if _controls(redirect):
                raise Refused("redirect is no URL")
            target = quote(redirect, safe=_PRINTABLE, errors="surrogateescape")
            mark = "&" if "?" in target else "?"
            target += f"{mark}status={outcome.status}&message={quote(outcome.message)}"
            page = (
                f'<html><body><p><a href="{html.escape(target)}">Click to continue...</a></p></body></html>'
            )
            headers = {"Location": target, "Content-Type": "text/html; charset=UTF-8", **outcome.headers}
            return Answer(303, headers, page.encode())
        said = status_line(outcome.status)
        if outcome.message:
            said += f"\r\nFormPost: {outcome.message.title()}"
        if outcome.status // 100 != 2 and outcome.body:
            said = outcome.body.decode("utf-8", "replace")
        return Answer.text(outcome.status, said, outcome.headers)

    def _keys(self, environ: Environ) -> list[Key]:
        """Return the keys that a form for this path may be signed with."""
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 4 or parts[0] or parts[1] not in API_VERSIONS or not (parts[2] and parts[3]):
            return []
        account = get_account_info(environ, self.app).meta
        return signing_keys(account, get_container_info(environ, self.app).meta)


def _value(form: Multipart) -> str:
    """Return a field's value; what goes beyond the bound is cut off."""
    value = b""
    while data := form.read():
        value = (value + data)[:VALUE_BYTES_MAX]
    return value.decode("utf-8", "surrogateescape")


def _for_other_origins(reply: Reply) -> dict[str, str]:
    return {name.title(): value for name, value in reply.headers.items() if name.startswith("access-control")}


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#formpost`."""
    config = parse(FormpostConfig, {**global_conf, **local_conf})
    info.register("formpost", **published(allowed_digests(config.allowed_digests.split())))
    return passable(lambda app: Formpost(app, config), Affair())
