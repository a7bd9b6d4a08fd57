"""Requests for accounts.

    GET HEAD    ──▶ authorised? ──▶ one replica's listing; an account that could be created looks empty
    PUT DELETE  ──▶ only where account management is allowed
    POST        ──▶ merge metadata, creating the account where that is allowed

Listings leave here as JSON; the listing_formats filter makes of them what the client reads.
"""

from __future__ import annotations

import json

from ...common.constraints import check_account_name
from ...common.errors import Refused
from ...common.http.answer import Answer
from .. import backend_headers, counts
from ..answers import answer_of
from ..authorization import denial
from ..call import Call
from ..fanout import statuses
from ..info import AccountInfo
from ..listing.query import as_json
from ..metadata import check_item_metadata
from ..quorum import final_verdict
from ..services import Services
from .autocreate import create_account

ACL_SYSMETA = "X-Account-Sysmeta-Core-Access-Control"
ACL_HEADER = "X-Account-Access-Control"


class AccountController:
    """Serves requests for accounts."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._replicas = services.replicas
        self._settings = services.settings
        self.handlers = {"GET": self.read, "HEAD": self.read, "POST": self.post}
        if services.settings.allow_account_management:
            self.handlers |= {"PUT": self.put, "DELETE": self.delete}

    def read(self, call: Call) -> Answer:
        """Serve a listing or its headers."""
        refusal = denial(call.environ, None)
        if refusal is not None:
            return refusal
        check_account_name(call.account, self._services.cluster.constraints)
        home = self._replicas.rings.of_account(call.account)
        question = self._replicas.question(call.method, call.path, home, query=as_json(call.query_string))
        headers = backend_headers.for_reading(call, self._replicas.user_agent)
        answer = self._replicas.read(question, headers, home, newest=call.says_yes("X_NEWEST"))
        if answer.status == 404:
            answer = self._absent(call, answer)
        elif answer.status // 100 == 2:
            if call.method == "HEAD" and call.says_yes(counts.ASKED_FOR):
                counts.raise_to_quorum(answer, self._replicas, question, headers, home)
            info = AccountInfo.of(answer.status, answer.headers)
            self._services.infos.learn(call.environ, info, call.account)
        self._hide_from_strangers(call, answer)
        return answer

    def _absent(self, call: Call, answer: Answer) -> Answer:
        """Return what an account without databases looks like: gone, empty or missing."""
        if answer.headers.get("X-Account-Status", "").lower() == "deleted":
            answer.status = 410
        elif self._settings.account_autocreate:
            # It will be created as soon as something is written to it.
            return _empty_listing(call)
        return answer

    def _hide_from_strangers(self, call: Call, answer: Answer) -> None:
        names = {name.title(): name for name in answer.headers}
        if call.is_owner:
            _show_acl(answer)
            return
        for name in self._services.owner_headers:
            if name in names:
                del answer.headers[names[name]]

    def put(self, call: Call) -> Answer:
        """Create an account, or merge metadata into it."""
        return self._write(call)

    def post(self, call: Call) -> Answer:
        """Merge metadata into an account."""
        answer = self._write(call)
        if answer.status == 404 and self._settings.account_autocreate:
            create_account(self._services, call)
            answer = self._write(call, asked_already=True)
        return answer

    def _write(self, call: Call, *, asked_already: bool = False) -> Answer:
        refusal = None if asked_already else denial(call.environ, None)
        if refusal is not None:
            return refusal
        limits = self._services.cluster.constraints
        check_account_name(call.account, limits)
        check_item_metadata(call.environ, "ACCOUNT", limits)
        answer = self._send(call, backend_headers.for_account(call, self._replicas.user_agent))
        _show_acl(answer)
        return answer

    def delete(self, call: Call) -> Answer:
        """Mark an account deleted; the reaper empties it later."""
        refusal = denial(call.environ, None)
        if refusal is not None:
            return refusal
        if call.query_string:
            raise Refused("An account DELETE takes no query; a typing error could cost the account.")
        return self._send(call, backend_headers.common(call, self._replicas.user_agent))

    def _send(self, call: Call, headers: dict[str, str]) -> Answer:
        home = self._replicas.rings.of_account(call.account)
        self._services.infos.forget(call.environ, call.account)
        question = self._replicas.question(call.method, call.path, home)
        replies = self._replicas.change(
            question,
            [headers] * home.replicas,
            self._replicas.in_reading_order(home),
            replicas=home.replicas,
        )
        self._services.infos.forget(call.environ, call.account)
        return answer_of(replies, final_verdict(statuses(replies), replicas=home.replicas))


def _show_acl(answer: Answer) -> None:
    """Give the account's access list the name by which clients know it."""
    key = next((name for name in answer.headers if name.title() == ACL_SYSMETA), None)
    if key is None:
        return
    text = answer.headers.pop(key)
    try:
        rules = json.loads(text)
    except ValueError:
        return
    if rules:
        answer.headers[ACL_HEADER] = json.dumps(rules, separators=(",", ":"), sort_keys=True)


def _empty_listing(call: Call) -> Answer:
    now = call.timestamp.normal
    headers = {
        "X-Account-Container-Count": "0",
        "X-Account-Object-Count": "0",
        "X-Account-Bytes-Used": "0",
        "X-Timestamp": now,
        "X-Put-Timestamp": now,
        "X-Backend-Fake-Account-Listing": "yes",
        "Content-Type": "application/json; charset=utf-8",
    }
    if call.method == "HEAD":
        return Answer(204, headers)
    return Answer(200, headers, b"[]")
