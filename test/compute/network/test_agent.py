"""The agent of a host: what it makes of what the service says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apus.common.errors import Unavailable
from apus.compute.network.host.agent import NetworkAgent
from apus.compute.network.host.layout import Layout
from apus.compute.network.host.wanted import Wanted


class Service:
    """A network service that says what it is told to."""

    def __init__(self) -> None:
        self.says: Wanted | None = None
        self.heard: list[dict[str, Any]] = []

    def exchange(self, _host: str, report: dict[str, Any]) -> Wanted | None:
        """Note the report and answer."""
        self.heard.append(report)
        return self.says


def agent(
    folder: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> tuple[NetworkAgent, list[Layout]]:
    """An agent whose host does as it is told, and what it was told."""
    made = NetworkAgent({"host": "h1", "state_path": str(folder)})
    done: list[Layout] = []
    monkeypatch.setattr(made, "_service", service)

    def become(layout: Layout) -> bool:
        done.append(layout)
        return True

    monkeypatch.setattr(made, "become", become)
    return made, done


def test_a_service_that_forgot_everything_takes_nobody_off_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older state than the one that was seen is refused, as long as it takes; a newer one is taken."""
    service = Service()
    made, done = agent(tmp_path, service, monkeypatch)
    service.says = Wanted(generation=7)
    made.run_once()
    assert len(done) == 1
    service.says = Wanted(generation=0)
    for _ in range(2):
        with pytest.raises(Unavailable, match="older database"):
            made.run_once()
    assert len(done) == 1
    assert service.heard[-1]["applied"] == 7
    service.says = Wanted(generation=8)
    made.run_once()
    assert len(done) == 2
    again, done_again = agent(tmp_path, service, monkeypatch)
    service.says = Wanted(generation=0)
    again.run_once()
    assert len(done_again) == 1, "restarted, it takes what there is"
