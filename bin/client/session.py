"""The store as one command reaches it: logged in once, a connection for each thread.

options ──▶ Session ──▶ connection() of swiftclient   service() of swiftclient   each() many at a time
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import swiftclient
from swiftclient.service import SwiftService, get_conn
from swiftclient.utils import split_request_headers

from .files import Stopped
from .segmentation import Limits

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE_SECONDS = 3.0  # An interrupted transfer tidies up within this, or not at all.
AHEAD = 4  # Jobs waiting for each thread: enough to keep it busy, few enough for a listing of millions.


class Session:
    """One login, shared by the threads of one command."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = dict(options)
        self._own = threading.local()
        self._login = threading.Lock()
        self._stop = threading.Event()
        self._known: tuple[str, str] | None = None
        self._crews: dict[str, ThreadPoolExecutor] = {}
        self._info: dict[str, Any] | None = None

    @property
    def connection(self) -> Any:
        """This thread's connection."""
        self.check()
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = get_conn(self.options)
            connection.url, connection.token = self._credentials()
            self._own.connection = connection
        return connection

    def _credentials(self) -> tuple[str, str]:
        with self._login:
            if self._known is None:
                first = get_conn({**self.options, "retries": 0})
                self._known = (first.url, first.token) if first.url and first.token else first.get_auth()
                first.close()
            return self._known

    def forget_connection(self) -> None:
        """Drop this thread's connection, whose request was broken off in the middle."""
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
            self._own.connection = None

    @property
    def url(self) -> str:
        """The account's URL."""
        return self._credentials()[0]

    def service(self, **options: Any) -> SwiftService:
        """The service of swiftclient, for the same account and login."""
        url, token = self._credentials()
        return SwiftService({**self.options, **options, "os_storage_url": url, "os_auth_token": token})

    def info(self, url: str | None = None) -> dict[str, Any]:
        """What /info says; nothing where the store has none."""
        if url is not None:  # Another store's, perhaps; nobody logs in for it.
            return dict(get_conn(self.options).get_capabilities(url))
        if self._info is None:
            try:
                self._info = dict(self.connection.get_capabilities())
            except swiftclient.ClientException as problem:
                if problem.http_status not in (403, 404):
                    raise
                self._info = {}
        return self._info

    @property
    def limits(self) -> Limits:
        """The store's limits for large objects."""
        return Limits.read(self.info())

    def check(self) -> None:
        """Raise Stopped once each() was interrupted: every thread gives up at its next step."""
        if self._stop.is_set():
            raise Stopped("interrupted")

    def listing(self, container: str, *, prefix: str = "", **more: Any) -> Iterator[dict[str, Any]]:
        """Every row of a container, page by page; a page may end between two versions of one object."""
        marker, version_marker = more.pop("marker", ""), ""
        while True:
            self.check()
            _headers, rows = self.connection.get_container(
                container, prefix=prefix, marker=marker, version_marker=version_marker, **more
            )
            if not rows:
                return
            yield from rows
            marker = rows[-1].get("name", rows[-1].get("subdir"))
            version_marker = rows[-1].get("version_id", "")

    def head(self, container: str, name: str, **more: Any) -> dict[str, str] | None:
        """An object's headers; None where there is none."""
        try:
            return dict(self.connection.head_object(container, name, **more))
        except swiftclient.ClientException as problem:
            if problem.http_status == 404:
                return None
            raise

    def delete_static(self, container: str, name: str, *, query: str, headers: Mapping[str, str]) -> None:
        """Delete a static large object with its segments; ClientException where any of that failed.

        The store answers 200 before it knows how that goes, and says it in a body that swiftclient drops.
        """
        body = self.connection._retry(None, _delete_and_read, container, name, query=query, headers=headers)
        told = json.loads(body) if body else {}
        errors = [f"{unquote(path)}: {status}" for path, status in told.get("Errors", [])]
        status = str(told.get("Response Status", "200 OK"))
        if errors or not status.startswith("2"):
            number, _, reason = status.partition(" ")
            problem = swiftclient.ClientException(
                "not everything could be deleted", http_status=int(number), http_reason=reason,
                http_response_content="; ".join(errors) or str(told.get("Response Body", "")),
            )  # fmt: skip
            raise problem

    def container_headers(self, container: str) -> dict[str, str] | None:
        """A container's headers; None where there is none, none where we may not look."""
        try:
            return dict(self.connection.head_container(container))
        except swiftclient.ClientException as problem:
            if problem.http_status == 404:
                return None
            if problem.http_status == 403:  # Who may write may not always look.
                return {}
            raise

    def each(
        self, crew: str, work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
    ) -> Iterator[Result]:
        """Let a crew do something for each item, several at a time; results as they come."""
        pool = self._crew(crew, threads)
        under_way: set[Future[Result]] = set()
        try:
            for item in items:
                if len(under_way) >= AHEAD * threads:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
                under_way.add(pool.submit(work, item))
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except (KeyboardInterrupt, GeneratorExit):  # The second where the interruption hit our caller.
            self._stop.set()
            raise
        finally:
            for future in under_way:
                future.cancel()
            wait(under_way, timeout=GRACE_SECONDS if self._stop.is_set() else None)

    def _crew(self, name: str, threads: int) -> ThreadPoolExecutor:
        with self._login:
            if name not in self._crews:
                self._crews[name] = ThreadPoolExecutor(threads, thread_name_prefix=f"apus-{name}")
            return self._crews[name]


def _delete_and_read(
    url: str,
    token: str,
    container: str,
    name: str,
    *,
    query: str,
    headers: Mapping[str, str],
    http_conn: tuple[Any, Any],
    service_token: str | None,
) -> bytes:
    """A DELETE as swiftclient's connection repeats its requests, but with the answer's body."""
    _place, wire = http_conn
    tokens = {"X-Auth-Token": token, **({"X-Service-Token": service_token} if service_token else {})}
    path = f"{urlsplit(url).path.rstrip('/')}/{quote(container)}/{quote(name)}?{query}"
    wire.request("DELETE", path, "", {**headers, **tokens, "Accept": "application/json"})
    answer = wire.getresponse()
    body: bytes = answer.read()
    if not 200 <= answer.status < 300:
        raise swiftclient.ClientException.from_response(answer, "Object DELETE failed", body)
    return body


def headers_of(lines: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Return the headers that `-H name:value` and `-m name:value` mean."""
    return dict(split_request_headers(list(lines), prefix))


def account_of(url: str) -> str:
    """Return the account's name in its URL."""
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]
