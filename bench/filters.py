"""What each filter of the proxy's pipeline costs a request, in microseconds of CPU.

    one authorised GET ──▶ filter ──▶ an application that does nothing   (each alone, then together)

    python -m bench.filters [--requests N] [--rounds N]     (or: python bench/filters.py)

No socket is involved. The access log is written to a file in full, as in production. The least of several
rounds is shown: on a busy machine the others measure the neighbours.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

from apus.common import healthcheck, logs, metrics
from apus.common.http.wsgi import Environ, StartResponse, WSGIApp
from apus.proxy.middleware import cache, catch_errors, gatekeeper, listing_formats, proxy_logging, tempauth

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


def idle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at once, having asked the auth filter where there is one."""
    authorize = environ.get("apus.authorize")
    if authorize is not None:
        environ["apus.acl"] = None
        assert authorize(environ) is None
    start_response("200 OK", list(HEADERS))
    return Moving()


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
    auth = tempauth.filter_factory({}, token_secret="s" * 32, user_test_tester="testing .admin")
    makers: dict[str, Callable[[Any], Any]] = {
        "catch_errors": catch_errors.filter_factory({}),
        "gatekeeper": gatekeeper.filter_factory({}),
        "healthcheck": healthcheck.filter_factory({}),
        "metrics": metrics.filter_factory({}),
        "proxy_logging": proxy_logging.filter_factory({}),
        "cache": cache.filter_factory({}),
        "listing_formats": listing_formats.filter_factory({}),
        "tempauth": auth,
    }
    given: dict[str, str] = {}
    asking = environ_of("") | {"PATH_INFO": "/auth/v1.0"} | KEY
    list(auth(idle)(asking, lambda _, headers: given.update(headers)))
    environ = environ_of(given["X-Auth-Token"])
    with tempfile.NamedTemporaryFile() as log:
        logs.configure({"log_file": log.name}, "bench")
        bare = microseconds(idle, environ, arguments.requests, arguments.rounds)
        stack: WSGIApp = idle
        for name, make in reversed(makers.items()):
            alone = microseconds(make(idle), environ, arguments.requests, arguments.rounds) - bare
            print(f"{name:16} {alone:6.1f} µs")
            stack = make(stack)
        together = microseconds(stack, environ, arguments.requests, arguments.rounds) - bare
        print(f"{'all together':16} {together:6.1f} µs")


if __name__ == "__main__":
    main()
