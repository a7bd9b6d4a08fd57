"""Paths that an operator does not want: forbidden characters, lengths and patterns.

path ──▶ verdict() ──▶ None: on, or a sentence: 400
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...common import info as capabilities
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, to_wsgi


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCheckConfig:
    """The filter's settings."""

    forbidden_chars: str = setting("'\"`<>", help="Characters that no path may hold.")
    maximum_length: int = setting(255, help="Bytes that a decoded path may have.", minimum=1)
    forbidden_regexp: str = setting(
        r"/\./|/\.\./|/\.$|/\.\.$", help="What no part of a path may match; empty forbids nothing."
    )

    def __post_init__(self) -> None:
        """Refuse to start with a pattern that is none."""
        try:
            re.compile(self.forbidden_regexp)
        except re.error as problem:
            raise ValueError(f"forbidden_regexp = {self.forbidden_regexp!r}: {problem}") from problem


def verdict(path: str, config: NameCheckConfig) -> str | None:
    """Return what is wrong with a path, or None."""
    if any(character in path for character in config.forbidden_chars):
        return f"Object/Container/Account name contains forbidden chars from {config.forbidden_chars}"
    if len(to_wsgi(path)) > config.maximum_length:
        return f"Object/Container/Account name longer than the allowed maximum {config.maximum_length}"
    if config.forbidden_regexp and re.search(config.forbidden_regexp, path):
        return (
            "Object/Container/Account name contains a forbidden substring from regular expression "
            f"{config.forbidden_regexp}"
        )
    return None


class NameCheck:
    """The filter."""

    def __init__(self, app: WSGIApp, config: NameCheckConfig) -> None:
        self.app = app
        self._config = config

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        sentence = verdict(from_wsgi(environ["PATH_INFO"]), self._config)
        if sentence is not None:
            return Answer.text(400, sentence)(environ, start_response)
        return self.app(environ, start_response)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], NameCheck]:
    """PasteDeploy's entry: `use = egg:apus#name_check`."""
    config = parse(NameCheckConfig, {**global_conf, **local_conf})
    capabilities.register(
        "name_check",
        forbidden_chars=config.forbidden_chars,
        maximum_length=config.maximum_length,
        forbidden_regexp=config.forbidden_regexp,
    )
    return lambda app: NameCheck(app, config)
