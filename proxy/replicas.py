"""The replicas of accounts, containers and objects, asked and changed as one.

    Replicas.read(call, kind …)   ──▶ Answer      one replica's word, chosen by best.py
    Replicas.change(call, kind …) ──▶ Replies     all replicas' words, judged by quorum.py

Joins rings, order, error limits and timeouts for the controllers; it knows no authorisation.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from urllib.parse import quote

from ..common.concurrency import Countdown
from ..common.http.answer import Answer
from ..common.http.client import Sendable
from .backend import Backend, Question
from .fanout import Replies, fan_out, has_quorum
from .nodes import Candidate, NodeCount, at_home_first, order_for_reading, order_for_writing, shuffled
from .reading import read, reading_of
from .rings import Home, Rings
from .settings import ProxySettings


class Replicas:
    """Access to all storage servers under one worker's settings."""

    def __init__(self, rings: Rings, backend: Backend, settings: ProxySettings) -> None:
        self.rings = rings
        self.backend = backend
        self.settings = settings
        self.user_agent = f"proxy-server {os.getpid()}"
        self._dice = random.Random()
        self._grace = Countdown(settings.post_quorum_timeout)
        self._node_count = NodeCount.parse(settings.request_node_count)
        self._affinity = {index: settings.of_policy(index).nearest() for index in (None, *settings.policies)}
        self._unsorted = {
            index
            for index, affinity in self._affinity.items()
            if affinity is None and settings.of_policy(index).sorting_method != "timing"
        }
        self._local = {index: settings.of_policy(index).local() for index in (None, *settings.policies)}

    def head(self, headers: dict[str, str], account: str, container: str | None = None) -> Answer:
        """Ask for an account's or a container's headers on our own behalf."""
        names = account if container is None else f"{account}/{container}"
        home = (
            self.rings.of_account(account)
            if container is None
            else self.rings.of_container(account, container)
        )
        headers["User-Agent"] = self.user_agent
        question = self.question("HEAD", "/" + quote(names, errors="surrogateescape"), home)
        return self.read(question, headers, home)

    def question(
        self,
        method: str,
        path: str,
        home: Home,
        *,
        query: str = "",
        body: bytes = b"",
        timeout_seconds: float | None = None,
    ) -> Question:
        """Return what every replica is asked."""
        return Question(
            method=method,
            path=path,
            partition=home.partition,
            query=query,
            body=body,
            timeout_seconds=timeout_seconds or self.settings.node_timeout,
        )

    def read(
        self,
        question: Question,
        headers: dict[str, str],
        home: Home,
        *,
        policy_index: int | None = None,
        newest: bool = False,
    ) -> Answer:
        """Return the best replica's answer."""
        reading = reading_of(
            self.settings.of_policy(policy_index),
            question,
            headers,
            home.replicas,
            newest=newest,
            buries=policy_index is not None,
        )
        return read(self.backend, reading, self.in_reading_order(home, policy_index))

    def in_reading_order(
        self,
        home: Home,
        policy_index: int | None = None,
        *,
        at_once: int = 1,
        uploading: bool = False,
    ) -> Iterator[Candidate]:
        """Yield the devices that a read tries, nearest or fastest first, then handoffs.

        Of that many it is said who they are before any of them has been asked.
        """
        if (policy_index if policy_index in self._affinity else None) in self._unsorted:
            in_any_order = shuffled(home.at_home, self._dice)
            if at_once <= self._node_count.of(home.replicas) and self.backend.is_at_ease:
                # Nearly always nobody has failed lately: then none of the first ones is passed over, and what
                # comes behind them is thought about when it is needed. 15,000 instructions a change.
                first, later = in_any_order[:at_once], (in_any_order, at_once, home, uploading)
                return chain(first, chain.from_iterable(map(self._behind, (later,))))
            return self._tried(chain(in_any_order, home.stand_ins()), home, uploading=uploading)
        how = self.settings.of_policy(policy_index)
        ordered = order_for_reading(
            home.primaries,
            dice=self._dice,
            affinity=self._affinity.get(policy_index, self._affinity[None]),
            timings=self.backend.timings() if how.sorting_method == "timing" else None,
        )
        return self._tried(at_home_first(ordered, home.handoffs()), home, uploading=uploading)

    def _behind(self, later: tuple[list[Candidate], int, Home, bool]) -> Iterator[Candidate]:
        """Yield the devices that are tried when the first ones have been."""
        in_any_order, at_once, home, uploading = later
        is_limited = self.backend.is_limited_for_uploads if uploading else self.backend.is_limited
        spent = sum(not is_limited(candidate.device) for candidate in in_any_order[:at_once])
        rest = chain(in_any_order[at_once:], home.stand_ins())
        return self.backend.candidates(rest, self._node_count.of(home.replicas) - spent, uploading=uploading)

    def in_writing_order(self, home: Home, policy_index: int | None = None) -> Iterator[Candidate]:
        """Yield the devices that a write tries; local ones first where that is wished."""
        affinity = self._local.get(policy_index, self._local[None])
        if affinity is None:
            return self.in_reading_order(home, policy_index, at_once=home.replicas, uploading=True)
        ordered = order_for_writing(
            home.primaries,
            home.handoffs(),
            affinity=affinity,
            local_count=self.settings.of_policy(policy_index).local_count().of(home.replicas),
        )
        return self._tried(ordered, home, uploading=True)

    def in_founding_order(self, home: Home) -> Iterator[Candidate]:
        """Yield the primaries, even those that are left alone for a while, then handoffs.

        A container that is made without a primary has it refuse rows until a replicator has been there: for
        that long, a single further failure makes listings lag.
        """
        return chain(home.at_home, self._tried(home.stand_ins(), home))

    def for_deletion(self, home: Home, policy_index: int) -> tuple[Iterator[Candidate], int]:
        """Return the devices that a DELETE visits, and how many it must: local stand-ins too."""
        affinity = self._local.get(policy_index, self._local[None])
        if affinity is None:
            return self.in_reading_order(home, policy_index, at_once=home.replicas), home.replicas
        wished = self.settings.of_policy(policy_index).write_affinity_handoff_delete_count
        remote = sum(not affinity.is_local(device) for device in home.primaries)
        extra = remote if wished == "auto" else int(wished)
        local = [device for device in home.handoffs() if affinity.is_local(device)][:extra]
        kept = {device.id for device in local}
        rest = (device for device in home.handoffs() if device.id not in kept)
        ordered = at_home_first(home.primaries, chain(local, rest))
        count = home.replicas + len(local)
        tried = max(count, self._node_count.of(home.replicas))
        return self.backend.candidates(ordered, tried), count

    def _tried(
        self, ordered: Iterable[Candidate], home: Home, *, uploading: bool = False
    ) -> Iterator[Candidate]:
        count = self._node_count.of(home.replicas)
        return self.backend.candidates(ordered, count, uploading=uploading)

    def change(
        self,
        question: Question,
        requests: Sequence[Sendable],
        nodes: Iterator[Candidate],
        *,
        replicas: int,
        is_enough: Callable[[Replies], bool] | None = None,
    ) -> Replies:
        """Send one request per replica; return the replies once a quorum and its grace are over."""
        return fan_out(
            self.backend,
            question,
            requests,
            nodes,
            is_enough=is_enough or (lambda replies: has_quorum(replies, replicas)),
            grace=self._grace,
        )
