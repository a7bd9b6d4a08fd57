"""Whether an upload still fits under a quota, exactly, while others upload beside it.

    Quota(limit, usage) + upload ──▶ Gate.serve() ──▶ the rest of the pipeline, its body metered if chunked
                                         ├ does not fit ──▶ 401, 403 for who may not, else 413 before the body
                                         └ grows too big ─▶ 413 in mid-stream; nothing is stored

Usage is asked when a quota is set, never remembered. What a proxy's workers have let in, and what they have
stored since it was asked, counts as used, so uploads through one proxy can't overstep together. Other proxies
are seen once their uploads are stored: they can overstep by what all but one of them have under way.

It does not know whose quota it is, nor how usage is asked: container_quotas and account_quotas do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ...common.shared_board import DONE, OPEN, Board, uploads
from ..authorization import denial
from .inner import ask

DIGITS_MAX = 100
USAGE_TRIES_MAX = 4
"""How often usage is asked again because uploads ended while it was asked."""
FROM_A_QUORUM = {"X-Backend-Read-Quorum": "true"}
"""Has the proxy's HEAD of an account or a container tell the most that any of a read quorum knows of."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes and objects; a difference may be negative."""

    bytes: int = 0
    count: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.bytes + other.bytes, self.count + other.count)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.bytes - other.bytes, self.count - other.count)

    @property
    def adds_nothing(self) -> bool:
        """Whether storing it leaves no more than there was."""
        return self.bytes <= 0 and self.count <= 0


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Limit:
    """The most there may be; None is no limit."""

    bytes: int | None = None
    count: int | None = None

    @classmethod
    def of(cls, size: str | None, count: str | None) -> Limit:
        """Read it from stored metadata; what is no number is no limit."""
        return cls(_number(size), _number(count))

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return self.bytes is not None or self.count is not None

    def allows(self, total: Amount) -> bool:
        """Tell whether there may be that much."""
        return (self.bytes is None or total.bytes <= self.bytes) and (
            self.count is None or total.count <= self.count
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit that an upload is held to; `usage` asks anew how much there is, of what `key` names."""

    key: str
    limit: Limit
    usage: Callable[[], Amount]
    sentence: str = "Upload exceeds quota."


class OverQuota(Refused):
    """An upload has outgrown its quota."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 413)


@dataclass(slots=True)
class Share:
    """One upload's view of one quota."""

    quota: Quota
    board: Board
    known: Amount = NOTHING
    stored_before: Amount = NOTHING
    is_certain: bool = False
    """Whether usage has been asked for this decision, while nothing was stored."""

    def renew(self) -> None:
        """Ask usage anew; what is stored meanwhile may be counted twice."""
        self.stored_before = self._stored()
        self.known = self.quota.usage()
        self.is_certain = self._stored() == self.stored_before

    def fits(self, more: Amount) -> bool:
        """Tell whether that much more stays within the limit, with everything that is known of."""
        since = self._stored() - self.stored_before
        under_way = Amount(*self.board.sums(self.quota.key, OPEN))
        return self.quota.limit.allows(self.known + since + under_way + more)

    def take(self, amount: Amount) -> None:
        """Count as under way."""
        self.board.add(self.quota.key, OPEN, amount.bytes, amount.count)

    def keep(self, amount: Amount) -> None:
        """Count as stored."""
        self.board.add(self.quota.key, DONE, amount.bytes, amount.count)

    def _stored(self) -> Amount:
        """Return what this proxy's uploads have ever stored under the quota."""
        return Amount(*self.board.sums(self.quota.key, DONE))


@dataclass(slots=True)
class Upload:
    """An upload under quotas; `replaced` asks how much of what is there it takes the place of."""

    board: Board
    shares: Sequence[Share]
    replaced: Callable[[], Amount]
    size: Amount = NOTHING
    credit: Amount | None = None
    """What it replaces, as far as that has been asked."""
    counted: Amount = NOTHING
    """What the board counts as under way for it."""

    def admit(self, size: Amount) -> None:
        """Let it begin, or raise OverQuota."""
        for share in self.shares:
            share.renew()
        self._count(size)

    def grow(self, size: int) -> None:
        """Count further bytes of its body, or raise OverQuota."""
        for share in self.shares:
            share.is_certain = False
        self._count(Amount(size))

    def end(self, *, stored: bool) -> None:
        """Count as under way no longer."""
        with self.board.alone():
            for share in self.shares:
                share.take(NOTHING - self.counted)
                if stored:
                    share.keep(self.counted)

    def _count(self, more: Amount) -> None:
        """Count more as under way, or raise OverQuota when it is certain that it doesn't fit.

        Doubt is removed step by step: by what is replaced, by usage asked again, and what is replaced then.
        """
        self.size += more
        tries = 0
        while (share := self._short()) is not None:
            if self.credit is None:
                self.credit = self.replaced()
            elif share.is_certain or tries == USAGE_TRIES_MAX:
                raise OverQuota(share.quota.sentence)
            else:
                share.renew()
                self.credit = None  # What was deleted meanwhile must not count as gone and as replaced.
                tries += 1

    def _short(self) -> Share | None:
        """Count the upload as it is now, or return the share in which it has no room."""
        wanted = self.size if self.credit is None else self.size - self.credit
        more = wanted - self.counted
        with self.board.alone():
            if self.credit is None or not wanted.adds_nothing:
                for share in self.shares:
                    if not share.fits(more):
                        return share
            for share in self.shares:
                share.take(more)
            self.counted = wanted
        return None


class Meter:
    """A chunked body that is counted as it is read."""

    def __init__(self, source: Any, upload: Upload) -> None:
        self._source = source
        self._upload = upload

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, or raise OverQuota."""
        data: bytes = self._source.read(size)
        self._upload.grow(len(data))
        return data

    def readinto(self, view: memoryview) -> int:
        """Put the next bytes into a buffer, or raise OverQuota; return how many."""
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


@dataclass(slots=True)
class Gate:
    """Lets uploads in."""

    app: WSGIApp

    def serve(
        self,
        environ: Environ,
        start_response: StartResponse,
        quotas: Sequence[Quota],
        *,
        replaced: Callable[[], Amount],
        write_acl: str | None,
    ) -> Iterable[bytes]:
        """Serve one PUT of an object under quotas."""
        upload = Upload(uploads, [Share(each, uploads) for each in quotas], replaced)
        statuses: list[str] = []
        source = environ["wsgi.input"]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            statuses[:] = [status]
            return start_response(status, headers, exc_info)

        length = _number(environ.get("CONTENT_LENGTH"))
        try:
            refusal = self._refusal(environ, upload, Amount(length or 0, 1), write_acl)
            if refusal is not None:
                return refusal(environ, start)
            if length is None:
                environ["wsgi.input"] = Meter(source, upload)
            return self.app(environ, start)
        except Refused as problem:  # Raised in the middle of the body, and not answered behind us.
            return Answer.text(problem.status, str(problem))(environ, start)
        finally:
            environ["wsgi.input"] = source
            upload.end(stored=not statuses or statuses[0].startswith("2"))

    def _refusal(
        self, environ: Environ, upload: Upload, size: Amount, write_acl: str | None
    ) -> Answer | None:
        """Return None for an upload that may begin; who may not write at all learns nothing of quotas."""
        try:
            upload.admit(size)
        except OverQuota as problem:
            return denial(environ, write_acl) or Answer.text(problem.status, str(problem))
        return None


def names_of(environ: Environ) -> tuple[str, str, str] | None:
    """Return account, container and object of a request, or None where it names no object."""
    pieces = from_wsgi(environ["PATH_INFO"]).split("/", 4)
    if len(pieces) < 5 or pieces[0] or not all(pieces[1:]):
        return None
    return pieces[2], pieces[3], pieces[4]


def usage_headers(app: WSGIApp, environ: Environ, path: str) -> dict[str, str]:
    """Return what a read quorum says of an account or a container, asked now.

    Raises:
        Refused: with 503, when nobody can be asked.
    """
    reply = ask(app, environ, "HEAD", path, headers=FROM_A_QUORUM, trusted=True)
    reply.close()
    if reply.status >= 500:
        raise Refused("How much of the quota is used can't be found out now; try again.", 503)
    return reply.headers


def size_of_stored(app: WSGIApp, environ: Environ) -> Amount:
    """Return what the object that a request is for takes now, as its container counts it."""
    as_stored = {"multipart-manifest": "get", "symlink": "get"}
    path = from_wsgi(environ["PATH_INFO"])
    newest = {"X-Newest": "true"}
    reply = ask(app, environ, "HEAD", path, query=as_stored, headers=newest, trusted=True)
    reply.close()
    return Amount(_number(reply.headers.get("content-length")) or 0, 1) if reply.is_good else NOTHING


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and is_quota(text) else None


def is_quota(text: str) -> bool:
    """Whether a text is a number of bytes or objects, of no more digits than anybody needs."""
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
