"""A native thread beside one green thread."""

from __future__ import annotations

import os
import time

import pytest

from apus.common import partner as module
from apus.common.concurrency import original, sleep, spawn
from apus.common.errors import Unavailable
from apus.common.partner import Partner


def test_work_is_done_elsewhere_while_others_go_on() -> None:
    """The green thread that waits is the only one that does, and the work is done when it goes on."""
    partner, ours = Partner(), original("threading").get_ident()
    log: list[object] = []

    def work() -> None:
        original("time").sleep(0.05)
        log.append(original("threading").get_ident() != ours)

    other = spawn(lambda: log.append("other"))
    partner.begin(work)
    partner.wait()
    assert log == ["other", True]
    other.wait()
    partner.close()


def test_pieces_follow_one_another() -> None:
    """One thread does them all, whether somebody waits or they are long done."""
    partner = Partner()
    threads: set[int] = set()
    for pause in (0, 0.01, 0):
        partner.begin(lambda: threads.add(original("threading").get_ident()))
        sleep(pause)
        partner.wait()
        partner.wait()
    partner.close()
    assert len(threads) == 1


def test_a_failure_is_told_once() -> None:
    """To whoever waits next; the thread can go on."""
    partner = Partner()
    partner.begin(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        partner.wait()
    partner.wait()
    partner.begin(lambda: None)
    partner.wait()
    partner.close()


def test_its_thread_and_descriptors_go() -> None:
    """Nothing of it is left when it is closed."""
    alive = original("threading").active_count()
    for _ in range(20):
        partner = Partner()
        partner.begin(lambda: None)
        partner.wait()
        partner.close()
    deadline = time.monotonic() + 60
    while original("threading").active_count() > alive and time.monotonic() < deadline:
        sleep(0.01)
    assert original("threading").active_count() <= alive


def test_who_closes_it_waits_for_nothing() -> None:
    """What is to be done at the end is done when the thread is idle, and not before."""
    partner = Partner()
    log: list[str] = []

    def work() -> None:
        original("time").sleep(0.05)
        log.append("work")

    partner.begin(work)
    partner.close(lambda: log.append("end"))
    assert not log
    sleep(0.2)
    assert log == ["work", "end"]


def test_where_no_thread_can_be_started_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller hears of it as of a server that is too busy."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "native_thread", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Unavailable):
        Partner()
    assert len(os.listdir("/proc/self/fd")) == before
