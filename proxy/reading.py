"""A GET or HEAD served from whichever replica can, and carried on by another when it breaks off.

    candidates ──▶ find() ──▶ Source ──▶ small: read at once      ──▶ Answer
                     │                └▶ large: FailoverBody      ──▶ Answer, spliced
                     └──▶ nothing to serve ──▶ the status that Survey derives

The order of candidates, what their words are worth and what continues what are decided elsewhere
(nodes.py, best.py, resume.py); this module only asks, listens and passes bytes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Final

from ..common.concurrency import Empty, Queue, spawn
from ..common.errors import Unavailable
from ..common.http.answer import Answer
from ..common.http.headers import Headers, Layout
from ..common.http.response import Response
from .backend import Backend, Question
from .best import Survey, is_found, timestamp_of
from .body import FailoverBody
from .nodes import Candidate
from .resume import Progress
from .settings import ReplicaSettings

log = logging.getLogger(__name__)

PASSAGES_MAX: Final = 1024
"""Layouts of answers that are remembered; metadata names are the clients' invention."""

SMALL_BODY: Final = 65536
"""Up to here a body is read in one go and sent with its headers; a splice would cost more."""

NOT_PASSED_ON: Final = frozenset(
    ("connection", "date", "keep-alive", "transfer-encoding", "x-put-timestamp", "x-delete-after")
)
"""Headers that concern only us and the storage server; its etag is kept without quotes."""


@dataclass(slots=True)
class Source:
    """A replica's open answer."""

    response: Response
    candidate: Candidate
    explanation: bytes = b""
    """The body of an answer that is not served, when it says why."""

    @property
    def status(self) -> int:
        """Return the answer's status."""
        status: int = self.response.status
        return status

    def set_aside(self) -> None:
        """Give the connection back; keep what a refusal has to say."""
        try:
            if self.status >= 400:
                self.explanation = self.response.read()
            else:
                self.response.drain(SMALL_BODY)
        except Unavailable:
            self.response.close()


@dataclass(slots=True, kw_only=True)
class Reading:
    """How one thing is read."""

    question: Question
    headers: dict[str, str]
    primaries: int
    newest: bool = False
    buries: bool = False
    """Whether a tombstone hides what is older: objects only, whose deletions are never partial."""
    concurrency: int = 1
    concurrency_seconds: float = 0.5


def reading_of(
    how: ReplicaSettings,
    question: Question,
    headers: dict[str, str],
    primaries: int,
    *,
    newest: bool,
    buries: bool = False,
) -> Reading:
    """Return how a thing is read under some replica settings."""
    return Reading(
        question=question,
        headers=headers,
        primaries=primaries,
        newest=newest,
        buries=buries,
        concurrency=primaries if newest or how.concurrent_gets else 1,
        concurrency_seconds=how.concurrency_timeout,
    )


def read(backend: Backend, reading: Reading, nodes: Iterator[Candidate]) -> Answer:
    """Return the answer owed to the client; its body is still on the storage server if large."""
    heard: list[Source | None] = []
    candidate = next(nodes, None) if reading.concurrency == 1 and not reading.newest else None
    if candidate is not None:
        # Nearly every read is served by whoever is asked first; a survey of one answer would cost 15 µs.
        response = backend.ask(reading.question, candidate, reading.headers)
        if response is not None and reading.buries and response.whole and is_found(response.status):
            return Answer(response.status, passed_on(response.headers), response.whole)  # A small object.
        first = None if response is None else Source(response, candidate)
        if first is not None and is_found(_status(first)):
            return _served(backend, reading, nodes, first)
        heard.append(first)
    return answer_to(backend, reading, nodes, find(backend, reading, nodes, heard))


def answer_to(backend: Backend, reading: Reading, nodes: Iterator[Candidate], survey: Survey) -> Answer:
    """Return the answer that a survey of the replicas has found."""
    source = survey.chosen
    if source is None:
        return _miss(survey)
    assert isinstance(source, Source)
    return _served(backend, reading, nodes, source)


def find(
    backend: Backend, reading: Reading, nodes: Iterator[Candidate], already: Iterable[Source | None] = ()
) -> Survey:
    """Ask until something can be served or nobody is left; only the chosen answer stays open."""
    survey = Survey(primaries=reading.primaries, newest=reading.newest, buries=reading.buries)
    heard: list[Source] = []
    # A resting device costs time; it is asked only while nothing certain is known.
    awake = takewhile(lambda candidate: not (candidate.resting and survey.is_answered), nodes)
    if reading.concurrency > 1:
        answers = _asked_together(backend, reading, awake)
    else:
        answers = _asked_in_turn(backend, reading, awake)
    for source in chain(already, answers):
        if source is None:
            survey.hear_silence()
            continue
        heard.append(source)
        _hear(survey, source)
        if survey.is_settled:
            break
    for source in heard:
        if source is not survey.chosen:
            source.set_aside()
    return survey


def _hear(survey: Survey, source: Source) -> None:
    headers = source.response.headers
    survey.hear(source, _status(source), timestamp_of(headers), primary=source.candidate.primary)


def _status(source: Source) -> int:
    """Return what the answer amounts to."""
    status = source.status
    # A database that has only ever heard of updates has no PUT timestamp: not yet a copy.
    if is_found(status) and _is_zero(source.response.headers.get("X-Put-Timestamp")):
        return 404
    return status


def _is_zero(timestamp: str | None) -> bool:
    return timestamp is not None and not timestamp.strip("0._")


def _asked_in_turn(backend: Backend, reading: Reading, nodes: Iterator[Candidate]) -> Iterator[Source | None]:
    for candidate in nodes:
        response = backend.ask(reading.question, candidate, reading.headers)
        yield None if response is None else Source(response, candidate)


def _asked_together(
    backend: Backend, reading: Reading, nodes: Iterator[Candidate]
) -> Iterator[Source | None]:
    """Ask a further replica when the others take their time; late answers are thrown away."""
    mailbox: Queue = Queue()
    listening = True

    def ask(candidate: Candidate) -> None:
        response = backend.ask(reading.question, candidate, reading.headers)
        if listening:
            mailbox.put(None if response is None else Source(response, candidate))
        elif response is not None:
            response.close()

    in_flight = 0
    exhausted = False
    patience = 0.0 if reading.newest else reading.concurrency_seconds
    try:
        while True:
            while not exhausted and in_flight < reading.concurrency:
                candidate = next(nodes, None)
                if candidate is None:
                    exhausted = True
                    break
                spawn(ask, candidate)
                in_flight += 1
                if not mailbox.empty() or patience:
                    break
            if not in_flight:
                return
            room = not exhausted and in_flight < reading.concurrency
            try:
                answer = mailbox.get(timeout=patience if room else None)
            except Empty:
                continue
            in_flight -= 1
            yield answer
    finally:
        listening = False
        while not mailbox.empty():
            late = mailbox.get_nowait()
            if late is not None:
                late.response.close()


def _served(backend: Backend, reading: Reading, nodes: Iterator[Candidate], source: Source) -> Answer:
    response = source.response
    headers = passed_on(response.headers)
    if reading.question.method == "HEAD":
        response.drain(SMALL_BODY)
        return Answer(response.status, headers)
    if not reading.buries:
        return _served_whole(backend, reading, nodes, source, headers)
    length = headers.get("Content-Length")
    if length is not None and int(length) <= SMALL_BODY:
        return _served_small(backend, reading, nodes, source, headers)
    progress = Progress.begin(response.status, response.headers)
    succession = Succession(backend, reading, nodes, source.candidate)
    return Answer(response.status, headers, FailoverBody(response, progress, succession))


def _served_small(
    backend: Backend,
    reading: Reading,
    nodes: Iterator[Candidate],
    source: Source,
    headers: dict[str, str],
) -> Answer:
    """Return an object, read whole; who might carry it on is looked for when it breaks off."""
    response = source.response
    try:
        return Answer(response.status, headers, response.read())
    except Unavailable as problem:
        progress = Progress.begin(response.status, response.headers)
        succession = Succession(backend, reading, nodes, source.candidate)
        successor = succession.next(progress, problem)
        return Answer(response.status, headers, b"".join(FailoverBody(successor, progress, succession)))


def _served_whole(
    backend: Backend,
    reading: Reading,
    nodes: Iterator[Candidate],
    source: Source,
    headers: dict[str, str],
) -> Answer:
    """Return a listing, read whole: two replicas' listings can't be joined in the middle."""
    try:
        return Answer(source.status, headers, source.response.read())
    except Unavailable as problem:
        backend.failed(source.candidate.device, "GET", str(problem))
        return read(backend, reading, nodes)


@dataclass(slots=True)
class Succession:
    """Who may carry on a download, after the replica that it began with."""

    backend: Backend
    reading: Reading
    nodes: Iterator[Candidate]
    current: Candidate

    def next(self, progress: Progress | None, problem: Unavailable) -> Response:
        """Return an answer that continues the download; raise the problem again if nobody can."""
        self.backend.failed(self.current.device, "GET", str(problem))
        if progress is None or self.reading.newest:
            raise problem
        headers = _unconditional(self.reading.headers, progress)
        for candidate in self.nodes:
            response = self.backend.ask(self.reading.question, candidate, headers)
            if response is None:
                continue
            if progress.is_continued_by(response.status, response.headers):
                self.current = candidate
                log.info("download resumed from another replica", extra={"sent": progress.sent})
                return response
            response.close()
        raise problem


def _unconditional(headers: Mapping[str, str], progress: Progress) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if not name.startswith("If-")}
    kept.pop("X-Backend-Ignore-Range-If-Metadata-Present", None)
    kept["Range"] = progress.next_range()
    return kept


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a storage server's headers as the client gets them."""
    if type(headers) is not Headers:
        headers = Headers.of(headers.items())
    layout, values = headers.layout, headers.values_in_order
    passage = _passages.get(layout) or _passage(layout)
    passed = {name: values[position] for name, position in passage}
    if "Etag" in passed:
        passed["Etag"] = passed["Etag"].replace('"', "")
    return passed


_Passage = tuple[tuple[str, int], ...]
_passages: dict[Layout, _Passage] = {}


def _passage(layout: Layout) -> _Passage:
    """Return which headers of a layout are passed on, by their places, and remember it for ordinary ones."""
    passage = tuple(
        ("Etag" if folded == "etag" else name, position)
        for (folded, position), name in zip(layout.positions.items(), layout.names, strict=True)
        if folded not in NOT_PASSED_ON
    )
    if len(_passages) < PASSAGES_MAX:
        _passages[layout] = passage
    return passage


def _miss(survey: Survey) -> Answer:
    """Return the refusal that the survey derives, in the words of whoever refused."""
    status = survey.status()
    told_by = survey.miss if status in (404, 410) else survey.refusal if status < 500 else None
    if not isinstance(told_by, Source):
        return Answer.text(status, SENTENCES[status])
    headers = passed_on(told_by.response.headers)
    headers.pop("Content-Length", None)
    if status == 404:
        for name in ("Etag", "Last-Modified", "Content-Type"):
            headers.pop(name, None)
    if told_by.status == status and status != 404 and told_by.explanation:
        return Answer(status, headers, told_by.explanation)
    return Answer.text(status, SENTENCES.get(status, ""), {**headers, "Content-Type": TEXT})


TEXT: Final = "text/plain; charset=utf-8"

SENTENCES: Final = {
    404: "There is nothing by that name.\n",
    412: "A condition of the request does not hold.\n",
    503: "No storage server that could serve this was reachable; try again.\n",
}
