"""A store under test, seen from outside: its address, its users, and a client that hides nothing.

    Store ──▶ client("test:tester") ──▶ Client.put(), get() … ──▶ Reply(status, headers, body)

Any endpoint with the contract's test users will do: an all-in-one cluster, a stock OpenStack Swift, a mixture.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import swiftclient

KEYS = {
    "admin:admin": "admin",
    "test:tester": "testing",
    "test:tester3": "testing3",
    "test2:tester2": "testing2",
    "test5:tester5": "testing5",
}
TIMEOUT_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def lines(self) -> list[str]:
        """The lines of a plain listing."""
        return self.text.splitlines()


@dataclass(frozen=True, slots=True)
class Store:
    """An endpoint, and whose programs answer there: "apus", "stock", or "both" among the storage servers."""

    endpoint: str
    proxy: str = "apus"
    servers: str = "apus"

    @property
    def auth_url(self) -> str:
        """Where users log in."""
        return f"{self.endpoint}/auth/v1.0"

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect."""
        place = urlsplit(self.endpoint)
        assert place.hostname
        assert place.port
        return place.hostname, place.port

    def environment(self, user: str = "test:tester") -> dict[str, str]:
        """What the `swift` command reads."""
        return {"ST_AUTH": self.auth_url, "ST_USER": user, "ST_KEY": KEYS[user]}

    def connection(self, user: str = "test:tester", **options: Any) -> swiftclient.Connection:
        """python-swiftclient's own connection."""
        return swiftclient.Connection(self.auth_url, user, KEYS[user], auth_version="1", **options)

    def client(self, user: str | None = "test:tester", *, account_of: str = "test:tester") -> Client:
        """A client for somebody's account (or nobody's token, where user is None)."""
        path = self.login(account_of)[0]
        token = self.login(user)[1] if user else None
        return Client(self, path, {"X-Auth-Token": token} if token else {})

    def login(self, user: str) -> tuple[str, str]:
        """The path of the user's account, and a token."""
        reply = ask(self.address, "GET", "/auth/v1.0", {"X-Auth-User": user, "X-Auth-Key": KEYS[user]})
        assert reply.status in (200, 204), reply
        return urlsplit(reply.headers["x-storage-url"]).path, reply.headers["x-auth-token"]


@dataclass(frozen=True, slots=True)
class Client:
    """Requests on one account; paths are container and object names, not yet encoded."""

    store: Store
    account_path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The account's name."""
        return self.account_path.rpartition("/")[2]

    def path(self, *names: str) -> str:
        """The path on the wire of a container or an object."""
        return "/".join([self.account_path, *(quote(name.encode(), safe="/") for name in names)])

    def request(
        self,
        method: str,
        *names: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request; an iterable body goes out chunked."""
        path = self.path(*names)
        if query:
            path = f"{path}?{urlencode(query)}"
        return ask(self.store.address, method, path, {**self.headers, **(headers or {})}, body)

    def get(self, *names: str, headers: Mapping[str, str] | None = None, **query: str) -> Reply:
        """GET with a query."""
        return self.request("GET", *names, headers=headers, query=query)

    def head(self, *names: str, headers: Mapping[str, str] | None = None) -> Reply:
        """HEAD."""
        return self.request("HEAD", *names, headers=headers)

    def put(
        self, *names: str, body: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """PUT."""
        return self.request("PUT", *names, headers=headers, body=body)

    def post(self, *names: str, headers: Mapping[str, str] | None = None) -> Reply:
        """POST without a body."""
        return self.request("POST", *names, headers=headers, body=b"")

    def delete(self, *names: str, headers: Mapping[str, str] | None = None) -> Reply:
        """DELETE."""
        return self.request("DELETE", *names, headers=headers)

    def names_in(self, container: str, **query: str) -> list[str]:
        """The names of a listing, in its order; subdirs included."""
        rows = self.request("GET", container, query={"format": "json", **query}).json()
        return [row.get("name", row.get("subdir")) for row in rows]

    @contextmanager
    def container(self, headers: Mapping[str, str] | None = None) -> Iterator[str]:
        """A new container that is gone afterwards, with everything in it."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        reply = self.put(name, headers=headers)
        assert reply.status == 201, reply
        try:
            yield name
        finally:
            self.clear(name)

    def clear(self, container: str) -> None:
        """Delete the container and everything in it, as well as that goes."""
        reply = self.get(container, format="json")
        if reply.status == 200:
            for row in reply.json():
                self.delete(container, row["name"])
        self.delete(container)


def ask(
    address: tuple[str, int],
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | Iterable[bytes] | None = None,
) -> Reply:
    """Send one request on a connection of its own; the path goes out as it is."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
