"""The results of swiftclient's service as events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .display import Display, Event
from .troubles import trouble


def tell_all(display: Display, results: Iterable[Mapping[str, Any]]) -> None:
    """Report each result as it comes."""
    for result in results:
        display.tell(_event(result))


def _event(result: Mapping[str, Any]) -> Event:
    action = str(result.get("action", "")).partition("_")[0]
    container, name = result.get("container") or "", result.get("object") or ""
    if result["success"]:
        place = result.get("destination")
        return Event(action=action, container=container, object=name, note=f"→ {place}" if place else "")
    why = trouble(result["error"])
    return Event(action=action, container=container, object=name, status="failed", trouble=why)
