"""What is done at a server's end."""

from __future__ import annotations

from apus.common import concurrency, endings


def test_all_that_was_asked_for_is_done_once() -> None:
    """What fails keeps nothing else from being done."""
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("it fails")

    endings.at_end(lambda: done.append("first"))
    endings.at_end(fail)
    endings.at_end(lambda: done.append("last"))
    endings.settle()
    endings.settle()
    assert done == ["last", "first"]


def test_nobody_waits_for_it_for_ever() -> None:
    """A server ends, whatever does not."""
    done: list[str] = []
    endings.at_end(lambda: done.append("never"))
    endings.at_end(lambda: concurrency.sleep(60))
    endings.settle(seconds=0.01)
    endings._acts.clear()
    assert done == []
