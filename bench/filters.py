"""What each filter of the proxy's pipeline costs a request, in microseconds of CPU.

    one authorised GET ──▶ filter ──▶ an application that does nothing   (each alone, then all in their order)

    python -m bench.filters [--requests N] [--rounds N]     (or: python bench/filters.py)

No socket is involved. The access log is written to a file in full, as in production. The least of several
rounds is shown: on a busy machine the others measure the neighbours.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from apus.bin.samples import PROXY_FILTERS
from apus.common import logs
from apus.common.http.wsgi import Environ, StartResponse, WSGIApp
from apus.proxy.info import AccountInfo, ContainerInfo

HEADERS = [
    ("Content-Type", "application/octet-stream"),
    ("Content-Length", "4096"),
    ("Etag", "0123456789abcdef0123456789abcdef"),
    ("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT"),
    ("X-Timestamp", "1700000000.12345"),
    ("Accept-Ranges", "bytes"),
    ("X-Object-Meta-Mtime", "1700000000"),
    ("X-Backend-Timestamp", "1700000000.12345"),
]
PATH = "/v1/AUTH_test/container/object"
SETTINGS = {
    "tempauth": {"token_secret": "s" * 32, "user_test_tester": "testing .admin"},
    "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
}
KEY = {"HTTP_X_AUTH_USER": "test:tester", "HTTP_X_AUTH_KEY": "testing"}


class Moving:
    """A body that moves itself, as a spliced one does."""

    def __iter__(self) -> Any:
        yield b"x" * 4096

    def transfer(self, wire: object) -> int:
        """Pretend."""
        del wire
        return 4096

    def close(self) -> None:
        """Have nothing to give back."""


class Input:
    """The input of a request without a body."""

    bytes_read = 0


class Idle:
    """An application that answers at once, having asked the auth filter where there is one."""

    _account, _container = AccountInfo(status=204), ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer."""
        authorize = environ.get("apus.authorize")
        if authorize is not None:
            environ["apus.acl"] = None
            assert authorize(environ) is None
        start_response("200 OK", list(HEADERS))
        return Moving()

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        """Return a plain account's facts."""
        del environ, account
        return self._account

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return a plain container's facts."""
        del environ, account, container
        return self._container

    def s3_secret(self, access_key: str) -> None:
        """Know no access key."""
        del access_key

    def row_log(self, account: str) -> object:
        """Keep a log of nothing."""
        return account

    def remembers_plain(self, container: str, account: str) -> bool:
        """Say yes."""
        del container, account
        return True


def environ_of(token: str) -> Environ:
    """Return the environ of an authorised GET as the engine makes it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "RAW_PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "127.0.0.1:8080",
        "HTTP_USER_AGENT": "python-swiftclient-4.11.0",
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_X_AUTH_TOKEN": token,
        "wsgi.input": Input(),
        "wsgi.url_scheme": "http",
    }


def microseconds(app: WSGIApp, environ: Environ, requests: int, rounds: int) -> float:
    """Return the CPU time of one request, the least of all rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(requests):
            body: Any = app(environ.copy(), _start)
            body.transfer(None)
            body.close()
        best = min(best, (time.process_time() - begun) / requests)
    return best * 1e6


def _start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
    del status, headers, exc_info


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "apus.conf").write_text("[swift-hash]\nswift_hash_path_suffix = bench\n")
        makers = {each.short_name: _maker(each.short_name, folder) for each in reversed(PROXY_FILTERS)}
        idle = Idle()
        given: dict[str, str] = {}
        asking = environ_of("") | {"PATH_INFO": "/auth/v1.0"} | KEY
        list(makers["tempauth"](idle)(asking, lambda _, headers: given.update(headers)))
        environ = environ_of(given["X-Auth-Token"])
        logs.configure({"log_file": f"{folder}/log"}, "bench")
        bare = microseconds(idle, environ, arguments.requests, arguments.rounds)
        stack: WSGIApp = idle
        for name, make in makers.items():
            alone = microseconds(make(idle), environ, arguments.requests, arguments.rounds) - bare
            print(f"{name:18} {alone:6.1f} µs")
            stack = make(stack)
        together = microseconds(stack, environ, arguments.requests, arguments.rounds) - bare
        print(f"{'all together':18} {together:6.1f} µs")
        logging.shutdown()  # What is still to be written goes where the log is.


def _maker(name: str, folder: str) -> Callable[[Any], Any]:
    """Return what puts a filter of ours before an application."""
    (point,) = (each for each in distribution("apus").entry_points if each.name == name)
    factory: Callable[..., Callable[[Any], Any]] = point.load()
    return factory({"swift_dir": folder}, **SETTINGS.get(name, {}))


if __name__ == "__main__":
    main()
