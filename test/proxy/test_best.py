"""Laws of choosing which replica a read is served from."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.best import NO_TIMESTAMP, Survey, is_found, timestamp_of

TIMES = st.integers(1, 9).map(lambda n: f"000000000{n}.00000")


@dataclass(frozen=True)
class Word:
    """One replica's answer."""

    status: int
    timestamp: str
    primary: bool


FOUND = st.builds(Word, st.sampled_from([200, 206, 304, 416]), TIMES, st.booleans())
BURIED = st.builds(Word, st.just(404), TIMES, st.booleans())
ABSENT = st.builds(Word, st.just(404), st.just(NO_TIMESTAMP), st.booleans())
REFUSED = st.builds(Word, st.sampled_from([400, 412]), TIMES, st.booleans())
FAILED = st.builds(Word, st.sampled_from([500, 503]), st.just(NO_TIMESTAMP), st.booleans())
WORDS = st.lists(st.one_of(FOUND, BURIED, ABSENT, REFUSED, FAILED), max_size=8)


def survey_of(words: list[Word], *, newest: bool = True, primaries: int = 3) -> Survey:
    survey = Survey(primaries=primaries, newest=newest)
    for word in words:
        survey.hear(word, word.status, word.timestamp, primary=word.primary)
        if survey.is_settled:
            break
    return survey


@given(WORDS)
def test_the_newest_is_served(words: list[Word]) -> None:
    """With X-Newest, what is served is no older than anything found or deleted."""
    chosen = survey_of(words).chosen
    found = [word.timestamp for word in words if is_found(word.status)]
    buried = [word.timestamp for word in words if word.status == 404]
    if isinstance(chosen, Word):
        assert chosen.timestamp == max(found)
        assert chosen.timestamp >= max([NO_TIMESTAMP, *buried])
    elif found:
        assert max(found) < max(buried)


@given(WORDS)
def test_the_order_of_answers_does_not_matter_to_the_newest(words: list[Word]) -> None:
    """X-Newest gives the same timestamp and the same miss however the answers arrive."""
    forward, backward = survey_of(words), survey_of(words[::-1])
    assert forward.chosen_at == backward.chosen_at
    assert (forward.chosen is None) == (backward.chosen is None)
    if forward.chosen is None:
        assert forward.status() == backward.status()


@given(WORDS)
def test_a_404_has_proof(words: list[Word]) -> None:
    """404 is said only with a tombstone in hand and a quorum heard, or when most primaries have nothing."""
    survey = survey_of(words, newest=False)
    if survey.chosen is None and survey.status() == 404:
        tombstones = [word for word in words if word.status == 404 and word.timestamp]
        empty = [word for word in words if word.status == 404 and word.primary and not word.timestamp]
        heard = [word for word in words if word.status < 500 and (word.primary or word in tombstones)]
        assert (tombstones and len(heard) >= 2) or len(empty) >= 2


@given(st.lists(st.one_of(ABSENT.filter(lambda word: not word.primary), FAILED), max_size=8))
def test_handoffs_that_have_nothing_prove_nothing(words: list[Word]) -> None:
    """Beside primaries that failed, the misses of handoffs leave it open: 503."""
    assert survey_of(words, newest=False).status() == 503


def test_an_empty_primary_does_not_outvote_two_failures() -> None:
    """One primary that has been swapped for an empty disk, two that are down: 503, not a false 404."""
    words = [Word(404, NO_TIMESTAMP, primary=True), Word(503, NO_TIMESTAMP, primary=True)]
    assert survey_of(words, newest=False).status() == 503


@given(TIMES, st.booleans(), st.lists(FAILED, max_size=5))
def test_a_tombstone_beside_silence_is_no_proof(buried: str, primary: bool, silent: list[Word]) -> None:
    """What was written after it may be acknowledged, and lie on those that are silent: 503, not a false 404."""
    words = [*silent, Word(404, buried, primary)]
    assert survey_of(words, newest=False).status() == survey_of(words).status() == 503
    again = Word(404, buried, primary=False)
    assert survey_of([*words, again]).status() == 404


@given(FOUND)
def test_an_ordinary_read_is_settled_by_the_first_find(word: Word) -> None:
    """Without X-Newest nobody else is asked once a replica has it."""
    assert survey_of([word], newest=False).is_settled


@given(TIMES, TIMES)
def test_a_tombstone_buries_what_is_older(found: str, buried: str) -> None:
    """After a tombstone, an older find is not served even to an ordinary read."""
    survey = survey_of([Word(404, buried, primary=True), Word(200, found, primary=True)], newest=False)
    assert (survey.chosen is None) == (found < buried)


def test_the_data_timestamp_counts_first() -> None:
    """Of several timestamps the data's own one orders the answers; zero is none."""
    headers = {"X-Timestamp": "0000000001.00000", "X-Backend-Timestamp": "0000000002.00000"}
    assert timestamp_of(headers) == "0000000002.00000"
    assert timestamp_of({"X-Backend-Timestamp": "0000000000.00000"}) == NO_TIMESTAMP
    assert timestamp_of({}) == NO_TIMESTAMP
