"""A container of another cluster, as container sync writes to it.

    RemoteContainer ──HEAD, PUT, DELETE, signed──▶ the other cluster's proxy
                    ──▶ what time its object is of, or RemoteRefused

What is sent and when is decided in sync.py.
"""

from __future__ import annotations

import http.client
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..common.errors import ApusError
from ..common.http.wsgi import to_wsgi
from ..common.sync_realms import AUTH_HEADER, signature
from ..common.timestamp import Timestamp
from .sync_target import SyncTarget

MISSING, SUPERSEDED = 404, 409
PIECE_BYTES = 1 << 16


class RemoteRefused(ApusError):
    """The other cluster did not do what it was asked."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"the other cluster answered {status} to {method}")
        self.status = status


@dataclass(frozen=True, slots=True)
class RemoteContainer:
    """One container of another cluster; each request has a connection of its own."""

    target: SyncTarget
    user_key: str
    timeout_seconds: float
    proxies: Sequence[str] = ()
    """HTTP proxies on the way, of which any one will do."""

    def moment_of(self, name: str, at: Timestamp) -> Timestamp | None:
        """Return how new the other cluster's object is, None where it has none."""
        status, headers = self._ask("HEAD", name, {"X-Timestamp": at.internal}, None)
        if status == MISSING:
            return None
        if status // 100 != 2:
            raise RemoteRefused("HEAD", status)
        try:
            return Timestamp.parse(headers.get("x-timestamp", "0"))
        except ValueError as problem:
            raise ApusError(f"the other cluster's object has no time: {problem}") from problem

    def put(self, name: str, headers: Mapping[str, str], body: Iterable[bytes]) -> None:
        """Write an object; where a newer one is, that is as good."""
        status, _ = self._ask("PUT", name, headers, body)
        if status // 100 != 2 and status != SUPERSEDED:
            raise RemoteRefused("PUT", status)

    def delete(self, name: str, at: Timestamp) -> None:
        """Delete an object of that time; where there is none, or a newer one, that is as good."""
        status, _ = self._ask("DELETE", name, {"X-Timestamp": at.internal}, None)
        if status // 100 != 2 and status not in (MISSING, SUPERSEDED):
            raise RemoteRefused("DELETE", status)

    def _ask(
        self, method: str, name: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> tuple[int, dict[str, str]]:
        url = urlsplit(self.target.url)
        path = f"{url.path}/{quote(name, errors='surrogateescape')}"
        query = "?symlink=get" if method == "HEAD" else ""  # A link's target has a time of its own.
        sent = {**headers, **self._proof(method, path, headers["X-Timestamp"])}
        try:
            connection = self._connection(url.scheme, url.netloc)
            try:
                connection.request(method, self._seen_from_proxy(path + query), body, sent)
                answer = connection.getresponse()  # What it says beyond its head concerns nobody.
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as problem:
            raise ApusError(f"the other cluster cannot be asked: {problem}") from problem
        return answer.status, {field.lower(): value for field, value in answer.getheaders()}

    def _proof(self, method: str, path: str, timestamp: str) -> dict[str, str]:
        """Return the header by which the other cluster lets us in."""
        realm = self.target.realm
        if realm is None:
            return {"X-Container-Sync-Key": to_wsgi(self.user_key)}
        nonce = uuid.uuid4().hex
        signed = signature(method, path, timestamp, nonce, realm_key=realm.key, user_key=self.user_key)
        return {AUTH_HEADER: f"{realm.name} {nonce} {signed}"}

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        if not self.proxies:
            return kind(netloc, timeout=self.timeout_seconds, blocksize=PIECE_BYTES)
        connection = kind(
            urlsplit(random.choice(self.proxies)).netloc, timeout=self.timeout_seconds, blocksize=PIECE_BYTES
        )
        if scheme == "https":
            connection.set_tunnel(netloc)
        return connection

    def _seen_from_proxy(self, path: str) -> str:
        """Return what the request line names: an HTTP proxy is told the whole URL."""
        url = urlsplit(self.target.url)
        return f"{url.scheme}://{url.netloc}{path}" if self.proxies and url.scheme == "http" else path
