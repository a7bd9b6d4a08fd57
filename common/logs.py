"""Structured log lines, each with the transaction id that the client saw.

    log.info("object stored", extra={"bytes": 4096}) ──▶ one line: time level program txn message bytes=4096

Format and goal come from the configuration: key=value lines for people, JSON for collectors; to
standard error, a file, or syslog. The transaction id rides in a context variable, one per request.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from .config import parse, setting

transaction_id: ContextVar[str] = ContextVar("transaction_id", default="-")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How and where a process logs."""

    log_level: str = setting(
        "INFO", help="Least severe level that is written.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting(
        "text", help="text (key=value) or json (one object a line).", choices=("text", "json")
    )
    log_file: str = setting(
        "", help="File to append to; empty means standard error, `syslog` the local syslog."
    )
    log_address: str = setting("/dev/log", help="Socket of the local syslog, where log_file = syslog.")
    log_facility: str = setting("LOG_LOCAL0", help="Facility, where log_file = syslog.")


class _Line(logging.Formatter):
    """Common ground of the two formats: which fields a record has."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program
        self._second = (0, "")  # The last second written and its text, which is dear to make.

    def moment(self, record: logging.LogRecord) -> str:
        """Return when it was, as `2026-01-31T12:00:00.123Z`."""
        second = int(record.created)
        if self._second[0] != second:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int(record.msecs):03d}Z"

    def given(self, record: logging.LogRecord) -> dict[str, object]:
        """Return the fields that the logging call gave, and the traceback if there is one."""
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            extra["traceback"] = self.formatException(record.exc_info)
        return extra


class TextLine(_Line):
    """`time level program txn message key=value …`, one line whatever the values hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; control characters in values are escaped, so that no value can forge a line."""
        level, message = record.levelname.lower(), _quiet(record.getMessage())
        head = f"{self.moment(record)} {level} {self._program} {transaction_id.get()} {message}"
        return " ".join([head, *[f"{name}={_value(value)}" for name, value in self.given(record).items()]])


class JsonLine(_Line):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object's text."""
        fixed = {
            "time": self.moment(record),
            "level": record.levelname.lower(),
            "program": self._program,
            "txn": transaction_id.get(),
            "message": record.getMessage(),
        }
        return json.dumps(fixed | self.given(record), default=str)


def configure(options: Mapping[str, str], program: str) -> None:
    """Set up the root logger from a conf section; called once, by the entry point."""
    settings = parse(LogSettings, options)
    handler = _handler(settings)
    handler.setFormatter((JsonLine if settings.log_format == "json" else TextLine)(program))
    # Neither format shows threads or processes, and asking for them costs as much as a record itself.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)


def _handler(settings: LogSettings) -> logging.Handler:
    if settings.log_file == "syslog":
        facility = settings.log_facility.lower().removeprefix("log_")
        return logging.handlers.SysLogHandler(settings.log_address, facility)
    if settings.log_file:
        return logging.handlers.WatchedFileHandler(settings.log_file, encoding="utf-8")
    return logging.StreamHandler(sys.stderr)


def _quiet(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _value(value: object) -> str:
    text = str(value)
    if isinstance(value, (int, float)):
        return text
    if text and text.isprintable() and " " not in text and '"' not in text and "=" not in text:
        return text
    return json.dumps(text)
