"""Laws of the verdict on writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.quorum import (
    SILENT,
    final_verdict,
    listing_pending,
    post_verdict,
    put_is_settled,
    put_verdict,
    quorum_size,
    read_quorum_size,
    verdict,
)

STATUSES = st.sampled_from([200, 201, 202, 204, 304, 400, 404, 409, 412, 422, 500, 503, 507])
REPLICAS = st.integers(1, 7)


@st.composite
def votes(draw: st.DrawFn) -> tuple[list[int], int]:
    replicas = draw(REPLICAS)
    return draw(st.lists(STATUSES, min_size=replicas, max_size=replicas)), replicas


@given(REPLICAS)
def test_a_read_quorum_meets_every_write_quorum(replicas: int) -> None:
    """However a quorum wrote, a read quorum contains one of those replicas."""
    assert quorum_size(replicas) + read_quorum_size(replicas) > replicas


@given(votes(), st.data())
def test_a_settled_verdict_never_changes(heard: tuple[list[int], int], data: st.DataObject) -> None:
    """Once a family has the quorum of all replicas, later answers cannot unseat it."""
    statuses, replicas = heard
    majority = replicas // 2 + 1
    cut = data.draw(st.integers(0, replicas))
    early = verdict(statuses[:cut], replicas=replicas, quorum=majority)
    late = verdict(statuses, replicas=replicas, quorum=majority)
    if early is not None:
        assert late is not None
        assert early // 100 == late // 100


@given(votes())
def test_a_verdict_was_given_by_somebody_or_is_silence(heard: tuple[list[int], int]) -> None:
    """The client never gets a status that no replica gave, save 503."""
    statuses, replicas = heard
    status = final_verdict(statuses, replicas=replicas)
    assert status in statuses or status == SILENT


@given(votes())
def test_success_needs_a_quorum_of_successes(heard: tuple[list[int], int]) -> None:
    """A 2xx to the client means that a quorum of replicas said 2xx."""
    statuses, replicas = heard
    if final_verdict(statuses, replicas=replicas) // 100 == 2:
        assert sum(status // 100 == 2 for status in statuses) >= quorum_size(replicas)


@given(st.lists(STATUSES, max_size=3))
def test_missing_answers_count_as_silence(heard: list[int]) -> None:
    """Replicas that were not heard vote like ones that failed."""
    padded = heard + [503] * (3 - len(heard))
    assert final_verdict(heard, replicas=3) == final_verdict(padded, replicas=3)


@given(votes(), st.booleans())
def test_a_conflict_makes_a_kept_put_superseded(heard: tuple[list[int], int], only: bool) -> None:
    """A replica that holds something newer turns 201 into 202, but it is one voice like any other."""
    statuses, replicas = heard
    status = put_verdict(statuses, replicas=replicas, only_if_absent=only)
    if only and 412 in statuses:
        assert status == 412
    elif 409 in statuses:
        kept = sum(1 for each in statuses if each // 100 == 2 or each == 409)
        assert status == (202 if kept >= quorum_size(replicas) else 503)


def test_a_post_that_one_replica_took_is_no_404() -> None:
    """Two misses beside one acceptance prove that the object exists somewhere: 503, not 404."""
    assert post_verdict([404, 404, 202], replicas=3) == 503
    assert post_verdict([404, 404, 404], replicas=3) == 404
    assert post_verdict([202, 202, 404], replicas=3) == 202


def test_a_split_delete_counts_misses_as_done() -> None:
    """204, 404 and silence together mean deleted; all 404 mean there was nothing."""
    assert final_verdict([204, 404], replicas=3, overrides={404: 204}) == 204
    assert final_verdict([404, 404, 204], replicas=3, overrides={404: 204}) == 404
    assert final_verdict([204, 503, 503], replicas=3, overrides={404: 204}) == 503


def test_a_put_is_settled_by_a_quorum_or_a_conflict() -> None:
    """Two of three that stored it, or hold something newer, end the waiting."""
    assert put_is_settled([201, 201], replicas=3)
    assert put_is_settled([409, 201], replicas=3)
    assert not put_is_settled([409], replicas=3)
    assert not put_is_settled([201], replicas=3)
    assert not put_is_settled([422, 422], replicas=3)


@given(st.lists(st.sampled_from([True, False, None]), max_size=5), REPLICAS)
def test_a_listing_is_pending_only_when_somebody_said_so(rows: list[bool | None], replicas: int) -> None:
    """Silence of storage servers that don't report never raises the alarm; a quorum of rows never does."""
    pending = listing_pending(rows, container_replicas=replicas)
    if False not in rows or rows.count(True) >= quorum_size(replicas):
        assert not pending
    if rows and all(row is False for row in rows):
        assert pending
