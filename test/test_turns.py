"""Side by side each process has its own files, and ports that are nobody else's."""

from __future__ import annotations

import pytest
from turns import BELOW_BOTH_PROXIES, share_of_ports, turn_of, urgency


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_no_port_is_two_processes(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """All shares lie in the range, and none in another."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(processes))
    taken: set[int] = set()
    for number in range(processes):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        share = set(range(*share_of_ports(12000, 31000)))
        assert len(share) > 1000
        assert not taken & share
        taken |= share
    assert taken <= set(range(12000, 31000))


def test_alone_it_has_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without the plug-in."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert share_of_ports(12000, 31000) == (12000, 31000)


def test_a_file_stays_together_and_so_does_a_cluster_of_many_files() -> None:
    """Whatever its tests' parameters are."""
    assert turn_of("test/ring/test_plan.py::test_x[over_stock]") == "test/ring/test_plan.py"
    for kind in BELOW_BOTH_PROXIES:
        turns = {turn_of(f"test/interop/{file}::test_x[{kind}-open]") for file in ("test_a.py", "test_b.py")}
        assert len(turns) == 1


def test_what_takes_long_comes_first() -> None:
    """And of the rest, what has most tests."""
    turns = {"test/ring/test_plan.py": 3, "test/chaos/test_kills.py": 1, "test/test_house.py": 900}
    in_order = sorted(turns, key=lambda turn: urgency(turn, turns[turn]))
    assert in_order == ["test/chaos/test_kills.py", "test/test_house.py", "test/ring/test_plan.py"]
