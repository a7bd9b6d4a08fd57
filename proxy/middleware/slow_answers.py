"""Answers whose work takes long: 200 at once, white space to keep the connection alive, then what came of it.

    work() in a green thread of its own ──▶ beating() ──▶ " " … " " ──▶ document(how it went)
    Accept ──▶ form_for() ──▶ the document's form: text, JSON or XML

The status line is gone before anything is known, so the document says how it went. An XML declaration may
have nothing before it: there it is the first beat. The documents are OpenStack Swift's, which clients parse.
It does not know what the work is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

import orjson

from ...common.concurrency import Event, spawn
from ...common.http.wsgi import Environ
from .accept import best_match

FORMS = ("text/plain", "application/json", "application/xml", "text/xml")
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SEPARATOR = b"\r\n\r\n"
"""Between the beats and the document, so that a text is not indented by them."""

Facts = Mapping[str, str | int]
Errors = Sequence[tuple[str, str]]
"""Percent-encoded names, and each one's status."""


def form_for(environ: Environ, forms: Sequence[str] = FORMS) -> str:
    """Return the form that a client likes best; the first where it accepts none of them."""
    try:
        return best_match(environ.get("HTTP_ACCEPT") or "", forms) or forms[0]
    except ValueError:
        return forms[0]


def beating(work: Callable[[], bytes], *, form: str | None, every_seconds: float) -> Iterator[bytes]:
    """Yield a beat whenever the work has taken that long again, and what it returns.

    Whoever stops listening ends the work where it waits.
    """
    done = Event()

    def to_its_end() -> bytes:
        try:
            return work()
        finally:
            done.set()

    declaration = DECLARATION if _is_xml(form) else b""
    beat, separator = declaration or b" ", b""
    task = spawn(to_its_end)
    try:
        while not done.wait(every_seconds):
            yield beat
            beat, declaration, separator = b" ", b"", SEPARATOR
        yield declaration + separator + task.wait()
    finally:
        task.kill()


def document(form: str | None, facts: Facts, errors: Errors, *, root: str) -> bytes:
    """Return the document without an XML declaration; `root` is its XML element."""
    if form == "application/json":
        return orjson.dumps({**facts, "Errors": errors})
    if _is_xml(form):
        lines = [f"<{root}>"]
        for name in sorted(facts):
            element = name.replace(" ", "_").lower()
            lines.append(f"<{element}>{escape(str(facts[name]))}</{element}>")
        lines.append("<errors>")
        for name, status in errors:
            lines.append(f"<object><name>{escape(name)}</name><status>{escape(status)}</status></object>")
        lines += ["</errors>", f"</{root}>"]
    else:
        lines = [f"{name}: {facts[name]}" for name in sorted(facts)]
        lines += ["Errors:", *(f"{name}, {status}" for name, status in errors)]
    return "".join(f"{line}\n" for line in lines).encode()


def _is_xml(form: str | None) -> bool:
    return form is not None and form.endswith("/xml")
