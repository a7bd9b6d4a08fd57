"""A container's listing or headers, fetched for a client from a read quorum of replicas.

    call ──▶ first good replica's listing ──▶ its X-Backend-Row-Hash
                 └─▶ HEAD to others, up to a read quorum ──▶ the same hash: serve the first as it is
                                                       ├──▶ another: fetch rows of all, merge.py
                                                       └──▶ too few: the same, X-Listing-Pending: true

A write is acknowledged when a quorum of container replicas has its row, so a listing that a read quorum
agrees on shows every acknowledged write. Rows are sent to primaries only: what a handoff has is shown, but
it is no part of a quorum. Stock container servers give no hash; theirs is served as is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from ...common.concurrency import Crew
from ...common.errors import Unavailable
from ...common.http.answer import Answer
from .. import backend_headers, counts
from ..backend import Question
from ..call import Call
from ..fanout import ask_in_turn
from ..nodes import Candidate
from ..quorum import read_quorum_size
from ..reading import Source, answer_to, find, passed_on, reading_of
from ..rings import Home
from ..services import Services
from .merge import PAGE_MIN, ListingQuery, Page, merged_listing
from .query import as_json, parsed, written

log = logging.getLogger(__name__)

ROW_HASH = "X-Backend-Row-Hash"
PENDING = "X-Listing-Pending"


def read_listing(services: Services, call: Call) -> Answer:
    """Return the answer that a read quorum of replicas agrees on, as far as they can be reached."""
    assert call.container is not None
    replicas = services.replicas
    home = replicas.rings.of_container(call.account, call.container)
    question = replicas.question(call.method, call.path, home, query=as_json(call.query_string))
    headers = backend_headers.for_reading(call, replicas.user_agent)
    newest = call.says_yes("X_NEWEST")
    nodes = replicas.in_reading_order(home)
    reading = reading_of(replicas.settings.of_policy(None), question, headers, home.replicas, newest=newest)
    first = None
    while first is None:
        survey = find(replicas.backend, reading, nodes)
        chosen = survey.chosen
        if call.method == "HEAD" or not isinstance(chosen, Source):
            answer = answer_to(replicas.backend, reading, nodes, survey)
            if answer.status // 100 == 2 and call.says_yes(counts.ASKED_FOR):
                counts.raise_to_quorum(answer, replicas, question, headers, home)
            return answer
        try:
            answer = Answer(chosen.status, passed_on(chosen.response.headers), chosen.response.read())
            first = chosen.candidate
        except Unavailable as problem:
            replicas.backend.failed(chosen.candidate.device, "GET", str(problem))
    row_hash = answer.headers.get(ROW_HASH)
    if answer.status // 100 != 2 or row_hash is None or call.header("X_BACKEND_RECORD_TYPE") == "shard":
        return answer
    if reading.concurrency > 1:  # Some that were asked have not been listened to.
        nodes = (each for each in replicas.in_reading_order(home) if each.device is not first.device)
    quorum = _Quorum(services, home, call.path, headers)
    return quorum.settle(answer, first, row_hash, nodes, call.query_string)


@dataclass(slots=True)
class _Quorum:
    """The replicas that a listing is read from, and how they are asked."""

    services: Services
    home: Home
    path: str
    headers: dict[str, str]

    def settle(
        self, answer: Answer, first: Candidate, row_hash: str, nodes: Iterator[Candidate], query: str
    ) -> Answer:
        """Return the first replica's answer, corrected by the others' where they differ."""
        wanted = read_quorum_size(self.home.replicas) - first.primary
        others = self._others(nodes, wanted)
        if sum(candidate.primary for candidate, _ in others) < wanted:
            answer.headers[PENDING] = "true"
        differing = [candidate for candidate, other_hash in others if other_hash != row_hash]
        if not differing:
            return answer
        try:
            self._correct(answer, [first, *differing], query)
        except Unavailable as problem:
            log.info("a listing could not be settled", extra={"problem": str(problem)})
            answer.headers[PENDING] = "true"
        return answer

    def _others(self, nodes: Iterator[Candidate], wanted: int) -> list[tuple[Candidate, str]]:
        """Return further replicas with their row hashes, among them so many primaries as are wanted."""
        question = self._question("HEAD", "")
        found: list[tuple[Candidate, str]] = []
        while wanted > 0:
            reply = ask_in_turn(self.services.replicas.backend, question, self.headers, nodes)
            if reply is None:
                break
            row_hash = reply.headers.get(ROW_HASH)
            if reply.status // 100 == 2 and row_hash is not None and reply.candidate is not None:
                found.append((reply.candidate, row_hash))
                wanted -= reply.candidate.primary
        return found

    def _correct(self, answer: Answer, candidates: Sequence[Candidate], query: str) -> None:
        limit_max = self.services.cluster.constraints.container_listing_limit
        asked = parsed(query, limit_max=limit_max)
        entries = merged_listing(asked, lambda each: self._pages(candidates, each, limit_max))
        log.debug("replicas' listings differed and were merged", extra={"entries": len(entries)})
        answer.body = orjson.dumps(entries)
        answer.headers["Content-Length"] = str(len(answer.body))

    def _pages(self, candidates: Sequence[Candidate], query: ListingQuery, limit_max: int) -> list[Page]:
        if query.limit > PAGE_MIN * limit_max:
            raise Unavailable("pages are too small to tell the replicas' listings apart")
        limit = min(query.limit, limit_max)
        question = self._question("GET", written(replace(query, limit=limit)))
        crew = Crew(len(candidates))
        return list(crew.map(lambda candidate: self._page(question, candidate, limit), candidates))

    def _page(self, question: Question, candidate: Candidate, limit: int) -> Page:
        """Return one replica's page; Unavailable when it does not give one."""
        headers = {**self.headers, "X-Backend-Include-Deleted": "true"}
        reply = ask_in_turn(self.services.replicas.backend, question, headers, iter((candidate,)))
        if reply is None or reply.status // 100 != 2:
            raise Unavailable("a container replica stopped answering")
        try:
            entries = orjson.loads(reply.body or b"[]")
        except ValueError as problem:
            raise Unavailable("a container replica gave a malformed listing") from problem
        return Page(entries, complete=len(entries) < limit)

    def _question(self, method: str, query: str) -> Question:
        return self.services.replicas.question(method, self.path, self.home, query=query)
