"""Further fronts of a store: servers with other filters, over the same storage.

AllInOne's proxy conf ──with_filters()──▶ conf ──front()──▶ apus-proxy-server on a port of its own ──▶ Store
"""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from store import Store

START_TIMEOUT_SECONDS = 180
Filters = Mapping[str, Mapping[str, str]]


def with_filters(conf: str, filters: Filters, *, before: str, port: int) -> str:
    """Return a server's conf with further filters before another one, on another port; they replace namesakes."""
    for name in filters:
        conf = re.sub(rf"^\[filter:{name}\]$[^\[]*", "", conf, flags=re.MULTILINE)
        conf = re.sub(rf"^(pipeline *=.*?) {name}\b(?= )", r"\1", conf, flags=re.MULTILINE)
    head, pipeline, tail = re.split(r"(^pipeline *=.*$)", conf, maxsplit=1, flags=re.MULTILINE)
    pipeline = re.sub(rf"\b{before}(?= |$)", " ".join((*filters, before)), pipeline)
    head = re.sub(r"^bind_port *=.*$", f"bind_port = {port}", head, flags=re.MULTILINE)
    sections = [
        "\n".join(
            (f"[filter:{name}]", f"use = egg:apus#{name}", *(f"{key} = {options[key]}" for key in options))
        )
        for name, options in filters.items()
    ]
    return "\n\n".join((f"{head}{pipeline}{tail}", *sections)) + "\n"


@contextmanager
def front(
    conf: str, folder: Path, *, port: int, kind: str = "proxy", program: Sequence[str] = ()
) -> Iterator[Store]:
    """A proxy (or a storage server, or the `program` in its place) with that conf, as long as it is needed."""
    path, log = folder / f"{kind}-server-{port}.conf", folder / f"{kind}-server-{port}.log"
    path.write_text(conf)
    with log.open("wb") as output:
        command = [sys.executable, *(program or ("-m", f"apus.bin.{kind}_server")), str(path)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        path.with_suffix(".pid").write_text(str(process.pid))  # For those who kill it.
        _await(port, process, log)
        yield Store(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthcheck")
            if connection.getresponse().status == 200:
                return
        except OSError:
            assert process.poll() is None, f"the server ended at once:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        finally:
            connection.close()
