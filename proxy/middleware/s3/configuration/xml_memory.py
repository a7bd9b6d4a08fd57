"""Documents that rule every request, read once: text ──▶ what they say, remembered.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..notification import rules
from ..xml import read
from . import cors, lifecycle, locks
from .text_memory import remembered

_CHARACTERS_MAX = (
    8 << 20
)  # Of documents of each kind, per process: four thousand usual ones, or eight long ones.


@remembered(_CHARACTERS_MAX)
def cors_rules(text: str) -> Sequence[cors.Rule]:
    """Return the rules of a CORS configuration."""
    return cors.rules_of(read(text.encode()))


@remembered(_CHARACTERS_MAX)
def lifecycle_rules(text: str) -> Sequence[lifecycle.Rule]:
    """Return the rules of a lifecycle configuration."""
    return lifecycle.rules_of(read(text.encode()))


@remembered(_CHARACTERS_MAX)
def default_lock(text: str) -> locks.Default | None:
    """Return the default retention of an object lock configuration."""
    return locks.default_of(read(text.encode()))


@remembered(_CHARACTERS_MAX)
def ownership(text: str) -> str | None:
    """Return the rule of ownership controls."""
    rule = read(text.encode()).find("Rule")
    return None if rule is None else rule.value("ObjectOwnership")


@remembered(_CHARACTERS_MAX)
def notification_rules(text: str) -> Sequence[rules.Rule]:
    """Return the rules of a notification configuration."""
    return rules.rules_of(read(text.encode()))
