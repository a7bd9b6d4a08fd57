"""GET /info: what this cluster can do, for everybody to read.

common.info's registry ──▶ JSON
"""

from __future__ import annotations

import orjson

from ...common import info
from ...common.http.answer import Answer

METHODS = ("GET", "HEAD", "OPTIONS")


def serve_info(method: str, *, exposed: bool) -> Answer:
    """Return the capabilities; HEAD and OPTIONS answer as politely."""
    if not exposed:
        return Answer.text(403, "This cluster does not say what it can do.\n")
    if method not in METHODS:
        return Answer.text(405, "", {"Allow": ", ".join(METHODS)})
    if method == "OPTIONS":
        return Answer(200, {"Allow": ", ".join(METHODS)})
    return Answer(200, {"Content-Type": "application/json; charset=UTF-8"}, orjson.dumps(info.public()))
