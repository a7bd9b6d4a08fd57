"""One request through an account or container server without sockets."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apus.common.http.wsgi import WSGIApp, to_wsgi
from apus.common.timestamp import now


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    app: WSGIApp,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    body: bytes = b"",
    at: str | None = None,
) -> Reply:
    """Make a request; `path` is text, `at` its X-Timestamp (now, when none is given)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": to_wsgi(path),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in ({"X-Timestamp": at or now().internal} | dict(headers or {})).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    answered: list[tuple[str, list[tuple[str, str]]]] = []
    content = b"".join(app(environ, lambda status, lines: answered.append((status, lines))))
    status, lines = answered[0]
    return Reply(int(status.split()[0]), dict(lines), content)
