"""From the replies of all replicas to the one answer that the client gets.

    replies + status owed ──▶ answer_of() ──▶ Answer in the words of a replica with that status

Pure: statuses were judged in quorum.py, headers and bodies come from the replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache

from ..common.http.answer import Answer
from .fanout import Replies, Reply, statuses
from .reading import SENTENCES, passed_on

HTML = "text/html; charset=UTF-8"
"""Content type of answers without a body, as stock Swift's clients know it."""


def spokesman(replies: Replies, status: int) -> Reply | None:
    """Return a reply with that very status, if any replica gave one."""
    for reply in replies:
        if reply.status == status:
            return reply
    return None


def without_echoes(replies: Replies, *, timestamp: str, done: int) -> Replies:
    """Return the replies with conflicts between a request and itself read as `done`.

    A request whose answer was lost with its connection is made again; the replica that had carried
    it out then finds its very own timestamp there.
    """
    if 409 not in statuses(replies):
        return replies
    return [replace(reply, status=done) if is_echo(reply, timestamp) else reply for reply in replies]


def is_echo(reply: Reply, timestamp: str) -> bool:
    """Tell whether a request was refused because of itself."""
    return reply.status == 409 and reply.headers.get("X-Backend-Timestamp") == timestamp


def answer_of(replies: Replies, status: int) -> Answer:
    """Return the answer with the headers, and for refusals the words, of a replica that said so."""
    reply = spokesman(replies, status)
    if reply is None:
        return plain(status)
    headers = passed_on(reply.headers)
    headers.pop("Content-Length", None)
    headers.setdefault("Content-Type", HTML)
    return Answer(status, headers, reply.body)


def plain(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in the proxy's own words."""
    if status < 300:
        return Answer(status, {"Content-Type": HTML, **(headers or {})})
    return Answer.text(status, SENTENCES.get(status, ""), dict(headers or {}))


@lru_cache(maxsize=16)
def http_date(seconds: int) -> str:
    """Return the RFC 7231 date; many answers share one second."""
    return formatdate(seconds, usegmt=True)
