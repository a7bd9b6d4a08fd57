"""Laws of counting what Tempest did."""

from __future__ import annotations

import re
from pathlib import Path

from tempest_outcome import Known, Outcome, chosen_in, is_clean, known_in, outcome_of, report

LISTING = """
tempest.api.one.Loose.test_good[id-1,smoke]
tempest.api.one.Loose.test_bad[id-2]
tempest.api.one.Loose.test_lost[id-3]
tempest.api.one.Loose.test_left_out[id-4]
tempest.api.two.Skipped.test_it[id-5]
tempest.api.three.Broken.test_it
"""
LOG = """
{0} tempest.api.one.Loose.test_good[id-1,smoke] [0.123456s] ... ok
{0} tempest.api.one.Loose.test_bad [0.1s] ... FAILED
{1} tempest.api.one.Loose.test_left_out[id-4] ... SKIPPED: there is none of it
{1} setUpClass (tempest.api.two.Skipped) ... SKIPPED: not available
{1} setUpClass (tempest.api.three.Broken) [0.000000s] ... FAILED
"""
OUTCOME = outcome_of(chosen_in(LISTING), LOG)


def test_what_neither_passed_nor_was_skipped_has_failed() -> None:
    """So a test that was never heard of, and those of a class that could not be set up."""
    assert OUTCOME.passed == ("tempest.api.one.Loose.test_good",)
    assert OUTCOME.failed == (
        "tempest.api.one.Loose.test_bad",
        "tempest.api.one.Loose.test_lost",
        "tempest.api.three.Broken.test_it",
    )
    assert OUTCOME.skipped == {
        "tempest.api.one.Loose.test_left_out": "there is none of it",
        "tempest.api.two.Skipped.test_it": "not available",
    }


def test_a_test_that_fails_once_has_failed() -> None:
    """Whatever else is said of it, before or afterwards."""
    name = "tempest.api.one.Loose.test_good"
    for words in (("ok", "FAILED"), ("FAILED", "ok")):
        log = "\n".join(f"{{0}} {name} [0.1s] ... {word}" for word in words)
        assert outcome_of([name], log).failed == (name,)


def test_known_failures_are_printed_and_forgiven_others_are_not() -> None:
    """A name stands for what is in it, and for nothing that only begins like it."""
    known = known_in(
        '[[failure]]\nreason = "so be it"\ntests = ["tempest.api.three", "tempest.api.one.Loose.test_b"]'
    )
    told = report({"one": OUTCOME}, known)
    assert "known to fail: so be it\n  tempest.api.three.Broken.test_it\n" in told
    assert "FAILED:\n  tempest.api.one.Loose.test_bad\n  tempest.api.one.Loose.test_lost" in told
    assert re.search(r"^one +1 +3 +1 +2$", told, re.MULTILINE)
    assert not is_clean({"one": OUTCOME}, known)
    assert is_clean({"one": OUTCOME}, (*known, Known("", ("tempest.api.one",))))
    assert not is_clean({"none": Outcome((), (), {})}, known)


def test_the_document_tells_every_known_failure() -> None:
    """doc/api.md quotes the list: each reason, and each test."""
    folder = Path(__file__).parent
    document = (folder.parent.parent / "doc" / "api.md").read_text()
    for entry in known_in((folder / "known.toml").read_text()):
        for quoted in (entry.reason, *entry.tests):
            assert quoted in document, quoted
