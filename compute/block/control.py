"""The door to a host's disks for the services of that host: lines of JSON in and out, on a unix socket.

    {"do": "attach", "disk": NAME, "project_id": …, "map_id": …, "is_writable": true}  ──▶ {"ok": {status}}
    {"do": "detach", "disk": NAME, "discard": false}                                   ──▶ {"ok": {}}
    {"do": "commit", "disk": NAME, "map_id": "" or the one to make}        ──▶ {"ok": {"map_id": …, …}}
    {"do": "resize", "disk": NAME, "size": BYTES}, {"do": "status", "disk": NAME}, {"do": "list"}
                                                        what fails ──▶ {"error": kind, "message": …}

Whoever may open the socket, by the rights of its file, may do all of it. Lines of one connection are answered
in order; a long commit keeps no other connection waiting.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ...common.errors import ApusError, Corrupt, Missing, OutOfSpace, Refused, Unavailable
from .disk import FULL
from .host import HostDisks

log = logging.getLogger(__name__)

LINE_BYTES_MAX = 1 << 16
KINDS: tuple[tuple[type[ApusError], str], ...] = (
    (Missing, "missing"),
    (Refused, "refused"),
    (OutOfSpace, "out-of-space"),
    (Corrupt, "corrupt"),
    (Unavailable, "unavailable"),
)
ERRORS = {kind: error for error, kind in KINDS}


class ControlServer:
    """Answers at the door."""

    def __init__(self, disks: HostDisks, path: Path) -> None:
        self._disks, self._path = disks, path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self) -> None:
        """Listen at the path, for our own user alone."""
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._listener.listen(16)
        threading.Thread(target=self._accept, name="block-control", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as lines:
            while line := lines.readline(LINE_BYTES_MAX):
                lines.write(answered(self._disks, line) + b"\n")
                lines.flush()


def answered(disks: HostDisks, line: bytes) -> bytes:
    """Return the answer to one line."""
    try:
        return orjson.dumps({"ok": _done(disks, _asked(line))})
    except ApusError as problem:
        kind = next((name for error, name in KINDS if isinstance(problem, error)), "failed")
        return orjson.dumps({"error": kind, "message": str(problem)})
    except OSError as problem:
        log.warning("request on disks failed", exc_info=True)
        kind = "out-of-space" if problem.errno in FULL else "failed"
        return orjson.dumps({"error": kind, "message": f"this host's disk: {problem.strerror}"})
    except Exception as problem:  # noqa: BLE001 - whoever asked hears of it, and the log has the traceback
        log.exception("request on disks failed")
        return orjson.dumps({"error": "failed", "message": f"{type(problem).__name__}: {problem}"})


def _asked(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except ValueError as problem:
        raise Refused(f"not JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise Refused("not an object")
    return found


def _done(disks: HostDisks, asked: Mapping[str, Any]) -> dict[str, Any]:
    what = asked.get("do")
    if what == "list":
        return disks.all()
    name = _text(asked, "disk")
    if what == "attach":
        writable = bool(asked.get("is_writable", True))
        return disks.attach(name, _text(asked, "project_id"), _text(asked, "map_id"), is_writable=writable)
    if what == "detach":
        disks.detach(name, discard=bool(asked.get("discard", False)))
        return {}
    if what == "commit":
        return disks.commit(name, str(asked.get("map_id") or ""))
    if what == "resize":
        size = asked.get("size")
        if not isinstance(size, int) or size < 0:
            raise Refused("size must be a number of bytes")
        return disks.resize(name, size)
    if what == "status":
        return disks.status(name)
    raise Refused(f"{what!r} is nothing that can be done")


def _text(asked: Mapping[str, Any], key: str) -> str:
    value = asked.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(f"{key} is missing")
    return value


def ask(path: Path | str, **what: Any) -> dict[str, Any]:
    """Ask a control server for one thing and return what it answers: the client's side of the door.

    Raises:
        Unavailable: nobody listens at the path; and what the server's own errors are here.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
            with connection.makefile("rwb") as lines:
                lines.write(orjson.dumps(what) + b"\n")
                lines.flush()
                line = lines.readline()
    except OSError as problem:
        raise Unavailable(f"no block server at {path}: {problem}") from problem
    if not line:
        raise Unavailable(f"the block server at {path} ended in the middle")
    answer = orjson.loads(line)
    if "ok" in answer:
        return dict(answer["ok"])
    raise ERRORS.get(answer["error"], ApusError)(answer["message"])
