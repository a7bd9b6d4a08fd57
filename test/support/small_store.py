"""What filters stand before: one account's containers and objects in memory, with exact counts.

    SmallStore ◀── filter under test      PUT reads its body piece by piece and stores it at its end

It answers as the proxy does for what filters ask of it: HEAD and GET of account and containers, PUT, HEAD and
DELETE of objects, and the facts of `account_info` and `container_info`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from apus.common.errors import Refused
from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo

PIECE = 10


@dataclass(eq=False)
class SmallStore:
    """An application; `authorize` is asked as controllers ask."""

    sysmeta: dict[str, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    containers: dict[str, ContainerInfo] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    reported: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What the account has been told of a container, where it isn't up to date."""
    seen: list[dict[str, Any]] = field(default_factory=list)
    before_storing: Callable[[], None] = lambda: None

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        """Return what is known of the account."""
        return AccountInfo(status=204, really_exists=True, sysmeta=self.sysmeta, meta=self.meta)

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        """Return what is known of a container."""
        return self.containers.get(container, ContainerInfo(status=404))

    def held(self, container: str) -> tuple[int, int]:
        """Return bytes and objects that a container holds."""
        sizes = [len(body) for (where, _), body in self.objects.items() if where == container]
        return sum(sizes), len(sizes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""
        self.seen.append(environ)
        try:
            answer = self._answer(environ)
        except Refused as refusal:
            answer = Answer.text(refusal.status, str(refusal))
        return answer(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> Answer:
        _, _, _, *names = environ["PATH_INFO"].split("/", 4)
        method = environ["REQUEST_METHOD"]
        if len(names) == 2:
            return self._of_object(environ, method, (names[0], names[1]))
        if method in ("PUT", "POST"):
            return Answer(204)
        if names:
            size, count = self.held(names[0])
            headers = {"X-Container-Bytes-Used": str(size), "X-Container-Object-Count": str(count)}
            return Answer(204 if names[0] in self.containers else 404, headers)
        return self._of_account()

    def _of_object(self, environ: dict[str, Any], method: str, names: tuple[str, str]) -> Answer:
        if method == "PUT":
            body = b""
            while piece := environ["wsgi.input"].read(PIECE):
                body += piece
            self.before_storing()
            self.objects[names] = body
            return Answer(201)
        known = self.objects.get(names)
        if known is None:
            return Answer(404)
        if method == "DELETE":
            del self.objects[names]
            return Answer(204)
        return Answer(200, {"Content-Length": str(len(known)), "Etag": "abc"}, known)

    def _of_account(self) -> Answer:
        told = {name: self.reported.get(name, self.held(name)) for name in self.containers}
        rows: list[dict[str, Any]] = [
            {"name": name, "bytes": size, "count": count} for name, (size, count) in told.items()
        ]
        headers = {f"X-Account-Sysmeta-{name.title()}": value for name, value in self.sysmeta.items()}
        for prefix in ("X-Account-", "X-Account-Storage-Policy-gold-"):
            headers[prefix + "Bytes-Used"] = str(sum(row["bytes"] for row in rows))
            headers[prefix + "Object-Count"] = str(sum(row["count"] for row in rows))
        return Answer(200, headers, json.dumps(rows).encode())
