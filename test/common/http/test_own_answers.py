"""An answer is heard by whoever asked, or by nobody: none that is late, or broken off, is taken for another's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from engine import serving

from apus.common import concurrency
from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.http.client import Asked, Pool, PoolConfig

PATIENCE_SECONDS = 0.03
ASKERS, TURNS = 8, 25
LOST = "lost"


def unreliable(rng: random.Random) -> Callable[..., Any]:
    """Answer with the request's own name: at once, about when patience ends, or too late; some break off."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        name = environ["PATH_INFO"].encode()
        concurrency.sleep(rng.choice((0, 0, 0, PATIENCE_SECONDS, 2 * PATIENCE_SECONDS)) * rng.random() * 2)
        environ["wsgi.input"].read()
        if rng.random() < 0.1:
            pieces = iter([name[:1]])  # Less than was announced: the server ends the connection.
            return Answer(201, {"Etag": name.decode(), "Content-Length": "500"}, pieces)(
                environ, start_response
            )
        body = name if rng.random() < 0.5 else b""
        return Answer(201, {"Etag": name.decode()}, body)(environ, start_response)

    return application


def test_an_answer_is_the_asker_s_own() -> None:
    """Asked in every way the pool has, over connections that are kept, with a server that is late or breaks off."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    config = PoolConfig(
        response_timeout_seconds=PATIENCE_SECONDS,
        read_timeout_seconds=PATIENCE_SECONDS,
        idle_connections_max=4,
    )
    counts = {"own": 0, LOST: 0}
    with serving(unreliable(rng)) as served:
        pool = Pool(config)
        ways = (begun, requested, exchanged)

        def ask(asker: int) -> None:
            for turn in range(TURNS):
                name = f"/{asker}-{turn}"
                heard = rng.choice(ways)(pool, served.address, name)
                assert heard in (name, LOST), f"{name} heard {heard}, seed {seed}"
                counts["own" if heard == name else LOST] += 1

        tasks = [concurrency.spawn(ask, asker) for asker in range(ASKERS)]
        for task in tasks:
            task.wait()
        pool.close()
    assert min(counts.values()) > ASKERS, f"nothing was put to the test: {counts}, seed {seed}"


def begun(pool: Pool, address: tuple[str, int], name: str) -> str:
    """Ask without waiting, as changes of replicas do."""
    heard: concurrency.Queue = concurrency.Queue()
    if pool.begin(address, "PUT", name, {}, b"body", heard=heard.put) is None:
        return requested(pool, address, name)
    asked: Asked = heard.get(timeout=60)
    return LOST if asked.response is None else said(asked.response)


def requested(pool: Pool, address: tuple[str, int], name: str) -> str:
    """Ask and wait, as reads do."""
    try:
        return said(pool.request(address, "PUT", name, {}, b"body"))
    except Unavailable:
        return LOST


def exchanged(pool: Pool, address: tuple[str, int], name: str) -> str:
    """Send the body by itself, as large uploads do."""
    try:
        exchange = pool.open(address, "PUT", name, {}, length=4, expect_continue=True)
        exchange.send(b"body")
        exchange.finish()
        return said(exchange.response())
    except Unavailable:
        return LOST


def said(response: Any) -> str:
    """Return whose answer it is; its body, where there is one, says the same."""
    name: str = response.headers["Etag"]
    try:
        body = response.read()
    except Unavailable:
        return LOST
    return name if body in (b"", name.encode()) else f"{name} with {body!r}"
