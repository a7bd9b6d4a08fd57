"""Events are sent until they are taken, in the order of each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_log import KeptLog, LoggingStore
from one_request import Environ

from apus.common.http.answer import Answer
from apus.common.timestamp import Timestamp, now
from apus.proxy.middleware.s3.notification import delivery, happenings, queues
from apus.proxy.middleware.s3.notification.delivery import Delivery, NotTaken, Terms
from apus.proxy.middleware.s3.notification.doubts import Doubts, Verdict, verdict
from apus.proxy.middleware.s3.notification.happenings import Happening
from apus.proxy.middleware.s3.notification.resting import Rests
from apus.proxy.middleware.s3.notification.targets import Target
from apus.proxy.row_log import Row, merged

TARGET = Target(name="hook", url="http://127.0.0.1:1/")
ORIGIN = {"REQUEST_METHOD": "GET", "SERVER_NAME": "localhost", "wsgi.url_scheme": "http"}
PAST = now().later(-100 * 100_000)  # A slow run gets here half an hour later.


class World:
    """A log, and a target that takes what it likes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, app: Any = None) -> None:
        self.log = KeptLog()
        self.app = app or LoggingStore()
        self.clock = float(now()) + 1
        self.rests = Rests(5.0, 20.0, lambda: self.clock)
        self.sent: list[str] = []
        self.refused: Mapping[str, NotTaken] = {}
        monkeypatch.setattr(delivery, "post", self._post)

    def _post(self, _target: Target, _event_id: str, body: bytes) -> None:
        key = body.decode().partition('"key":"')[2].partition('"')[0]
        if key in self.refused:
            raise self.refused[key]
        self.sent.append(key)

    def note(self, key: str, *, is_settled: bool = True, moment: Timestamp | None = None) -> None:
        """Make an entry."""
        moment = moment or PAST.later(len(self.log.kept))
        happening = Happening(
            event="ObjectCreated:Put",
            moment=moment,
            account="a",
            bucket="c",
            key=key,
            rule="r",
            is_settled=is_settled,
        )
        container = queues.queue_of("hook", moment, happening.place).container
        name = queues.row_name(moment, str(len(self.log.kept)))
        self.log.put(container, name, happenings.written(happening), moment)

    def run(self, until: float = 1e12, **terms: Any) -> delivery.Done:
        """Make a pass."""
        doubts = Doubts(self.app, self.app, ORIGIN)
        work = Delivery(
            TARGET,
            self.log,  # type: ignore[arg-type]  # It has all that is asked of it.
            doubts,
            Terms(**terms),
            rests=self.rests,
            clock=lambda: self.clock,
            until=until,
        )
        return work.run(queues.present("hook", float(PAST)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A log."""
    return World(monkeypatch)


def test_what_is_taken_goes(world: World) -> None:
    """And nothing is sent twice without need."""
    for key in ("a", "b", "a"):
        world.note(key)
    done = world.run()
    assert (done.delivered, done.waiting, sorted(world.sent)) == (3, 0, ["a", "a", "b"])
    assert not world.log.kept
    assert world.run().delivered == 0


def test_a_key_waits_for_its_first_event(world: World) -> None:
    """Other keys do not; what failed rests, each time longer."""
    for key in ("bad", "good", "bad"):
        world.note(key)
    world.refused = {"bad": NotTaken("status 400", is_ill=False)}
    done = world.run()
    assert (done.delivered, done.failed, done.waiting) == (1, 1, 2)
    assert done.oldest_seconds > 99
    world.refused = {}
    assert world.run().delivered == 0  # It rests.
    world.clock += 6
    assert world.run().delivered == 2
    assert world.sent == ["good", "bad", "bad"]


def test_an_ill_target_is_left_alone(world: World) -> None:
    """One attempt says enough, where nobody answers."""
    for at in range(30):
        world.note(f"k{at}")
    world.refused = {f"k{at}": NotTaken("refused", is_ill=True) for at in range(30)}
    done = world.run()
    assert done.failed <= queues.SHARDS  # Lanes that were at it already.
    assert done.waiting == 30
    world.refused = {}
    assert world.run().delivered == 0
    world.clock += 6
    assert world.run().delivered == 30


def test_a_target_that_refuses_everything_is_ill(world: World) -> None:
    """After a few in a row."""
    for at in range(60):
        world.note(f"k{at}")
    world.refused = {f"k{at}": NotTaken("status 500", is_ill=False) for at in range(60)}
    assert world.run().failed < 60
    assert world.rests.is_resting("hook")


def test_nothing_is_given_up_unless_the_operator_says_so(world: World) -> None:
    """Then it is dropped, counted."""
    world.note("bad")
    world.refused = {"bad": NotTaken("status 400", is_ill=False)}
    world.clock += 10**7
    assert world.run().given_up == 0
    world.clock += 10**7
    assert world.run(give_up_seconds=10**6).given_up == 1
    assert not world.log.kept


def test_a_dry_run_changes_nothing(world: World) -> None:
    """It counts."""
    world.note("a")
    assert world.run(dry_run=True).waiting == 1
    assert not world.sent
    assert len(world.log.kept) == 1


def test_a_pass_ends_in_time(world: World) -> None:
    """What is left is counted, and for the next one."""
    world.note("a")
    done = world.run(until=0.0)
    assert (done.delivered, done.waiting) == (0, 1)


def test_what_is_no_entry_is_dropped(world: World) -> None:
    """It holds up nobody."""
    queue = queues.queue_of("hook", PAST, ("a", "c", "k"))
    world.log.kept[queue.container, "x"] = Row("x", "rubbish", PAST.isoformat)
    world.note("k")
    assert world.run().delivered == 1
    assert not world.log.kept


def test_old_empty_queues_go(world: World) -> None:
    """Young ones stay: somebody may write to them."""
    world.run()
    assert not world.log.history
    world.clock += 5 * queues.DAY_SECONDS
    world.run()
    assert len(world.log.history) == len(list(queues.present("hook", float(PAST))))


# --- in doubt ----------------------------------------------------------------------------------


class Store(LoggingStore):
    """A store whose only object is as old as it is told; tombstones show their moment."""

    found: Timestamp | None = None
    status = 200

    def _answer(self, environ: Environ, method: str, path: str) -> Answer:
        headers = {} if self.found is None else {"X-Backend-Timestamp": self.found.internal}
        return Answer(self.status, {**headers, "Content-Length": "5", "Etag": "e" * 32})


@pytest.mark.parametrize(
    ("found", "status", "early", "late"),
    [
        (0, 200, "sent", "sent"),
        (0, 404, "sent", "sent"),
        (1, 200, "left", "sent"),
        (1, 404, "left", "sent"),
        (-1, 200, "left", "dropped"),
        (-1, 404, "left", "dropped"),
        (None, 404, "left", "dropped"),
        (None, 503, "left", "left"),
    ],
)
def test_an_intent_is_judged_by_what_is_there(
    monkeypatch: pytest.MonkeyPatch, found: int | None, status: int, early: str, late: str
) -> None:
    """The very change is there: sent. Something newer hides it: sent, once nobody can be at it. Older: never."""
    store = Store()
    world = World(monkeypatch, store)
    world.note("k", is_settled=False, moment=PAST)
    store.found, store.status = None if found is None else PAST.later(found), status
    outcomes = []
    for patience in (1_000_000.0, 1.0):
        done = world.run(settle_seconds=10.0, patience_seconds=patience)
        outcomes.append("sent" if done.delivered else "dropped" if done.disproved else "left")
        world.clock += 10
        if done.delivered or done.disproved:
            break
    assert outcomes == ([early] if early != "left" else [early, late])


def test_a_young_intent_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its proxy is at it; later events of the key are sent meanwhile."""
    world = World(monkeypatch, Store())
    world.note("k", is_settled=False)
    world.note("k")
    done = world.run(settle_seconds=1000.0)
    assert (done.delivered, done.in_doubt) == (1, 1)


def test_what_is_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size and ETag, of that very change."""
    store = Store()
    store.found, store.containers = PAST, {"c": {}}
    doubts = Doubts(store, store, ORIGIN)
    intent = Happening(event="ObjectCreated:Put", moment=PAST, account="a", bucket="c", key="k", rule="r")
    judged, told = doubts.settled(intent, is_late=False)
    assert judged is Verdict.HAPPENED
    assert (told.size, told.etag, told.is_settled) == (5, "e" * 32, True)
    store.found = PAST.later(1)
    judged, told = doubts.settled(intent, is_late=True)
    assert (judged, told.size, told.etag) == (Verdict.HAPPENED, None, "")


MOMENTS = st.builds(Timestamp, st.integers(0, 5), st.integers(0, 1))


@given(MOMENTS, st.none() | MOMENTS)
def test_what_was_done_is_never_disproved(intended: Timestamp, found: Timestamp | None) -> None:
    """A replica that has it, or something later, is seen; haste only ever waits."""
    if found is not None and found >= intended:
        assert verdict(intended, found, is_late=True) is Verdict.HAPPENED
    assert verdict(intended, found, is_late=False) is not Verdict.NOTHING


# --- resting, and what replicas say -------------------------------------------------------------


def test_rests_grow_up_to_a_bound() -> None:
    """And end with a success."""
    moment = 0.0
    rests = Rests(5.0, 20.0, lambda: moment)
    for seconds in (5, 10, 20, 20):
        rests.fail("x")
        moment += seconds - 0.1
        assert rests.is_resting("x")
        moment += 0.2
        assert not rests.is_resting("x")
    rests.fail("x")
    rests.forgive("x")
    assert not rests.is_resting("x")


NAMES = st.sampled_from("abcdefgh")
SHOWN = st.dictionaries(NAMES, st.integers(0, 5))


@given(st.lists(SHOWN, min_size=1, max_size=3), st.integers(1, 4))
def test_pages_show_each_row_once_and_newest(replicas: list[dict[str, int]], page: int) -> None:
    """Whatever the replicas have missed of each other."""
    found: dict[str, int] = {}
    marker: str | None = ""
    while marker is not None:
        listings = [
            [Row(name, "", str(said[name])) for name in sorted(said) if name > marker][:page]
            for said in replicas
        ]
        shown = merged(listings, page)
        for row in shown.rows:
            assert row.name not in found
            found[row.name] = int(row.moment)
        marker = shown.marker
    names = {name for said in replicas for name in said}
    assert found == {name: max(said[name] for said in replicas if name in said) for name in names}


@given(st.integers(0, 3 * 10**14))
def test_a_row_is_replaced_by_what_comes_after_it(ticks: int) -> None:
    """Its moment is read back from a listing's form."""
    moment = Timestamp(ticks)
    assert Row("x", "", moment.isoformat).after() == moment.later(1)
