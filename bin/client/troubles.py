"""What went wrong, in one sentence, and the exit code that it means.

exception ──▶ trouble() ──▶ Trouble(kind, sentence) ──▶ exit_code() over all of them
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from requests.exceptions import RequestException
from swiftclient import ClientException
from swiftclient.service import SwiftError

from ...common.errors import ApusError, Missing, Refused, Unavailable


class Kind(IntEnum):
    """Why something was not done; the number is the exit code."""

    FAILED = 1
    MISUSED = 2
    MISSING = 3
    DENIED = 4
    UNREACHED = 5
    INTERRUPTED = 130


KNOWN = (ClientException, SwiftError, RequestException, ApusError, OSError, UnicodeEncodeError)
_REPLY_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failure."""

    kind: Kind
    sentence: str


def trouble(problem: BaseException) -> Trouble:
    """Say what an exception means to whoever gave the command."""
    if isinstance(problem, SwiftError):
        inner = problem.exception
        if inner is not None:
            return Trouble(trouble(inner).kind, str(problem.value))
        return Trouble(Kind.FAILED, str(problem.value))
    if isinstance(problem, ClientException):
        return _answered(problem)
    if isinstance(problem, UnicodeEncodeError):
        return Trouble(Kind.MISUSED, f"{problem.object!r} is not UTF-8, which all names in the store are")
    if isinstance(problem, RequestException):
        return Trouble(Kind.UNREACHED, f"the store cannot be reached: {_innermost(problem)}")
    if isinstance(problem, ApusError):
        kinds = {Refused: Kind.MISUSED, Missing: Kind.MISSING, Unavailable: Kind.UNREACHED}
        kind = next((kinds[each] for each in kinds if isinstance(problem, each)), Kind.FAILED)
        return Trouble(kind, str(problem))
    if isinstance(problem, OSError):
        where = f"{problem.filename}: " if problem.filename else ""
        return Trouble(Kind.FAILED, f"{where}{problem.strerror or problem}")
    return Trouble(Kind.FAILED, str(problem) or type(problem).__name__)


def exit_code(kinds: Iterable[Kind]) -> int:
    """Return 0 for none, the kind where all are of one kind, else 1."""
    distinct = set(kinds)
    if not distinct:
        return 0
    return distinct.pop() if len(distinct) == 1 else Kind.FAILED


def _answered(problem: ClientException) -> Trouble:
    status = problem.http_status
    if status == 404:
        kind = Kind.MISSING
    elif status in (401, 403):
        kind = Kind.DENIED
    elif not status or status >= 500:
        kind = Kind.UNREACHED
    else:
        kind = Kind.FAILED
    sentence = str(problem.msg)
    if status:
        sentence += f": {status} {problem.http_reason or ''}".rstrip()
    said = _plain(problem.http_response_content)
    if said:
        sentence += f": {said}"
    if problem.transaction_id:
        sentence += f" (transaction {problem.transaction_id})"
    return Trouble(kind, sentence)


def _plain(content: bytes | str | None) -> str:
    text = content.decode(errors="replace") if isinstance(content, bytes) else content or ""
    if text.lstrip().startswith("<"):  # The stock answers' HTML says no more than the status.
        return ""
    return " ".join(text.split())[:_REPLY_CHARACTERS_MAX]


def _innermost(problem: BaseException) -> BaseException:
    inner = problem.__cause__ or problem.__context__
    while inner is not None:
        problem, inner = inner, inner.__cause__ or inner.__context__
    return problem
