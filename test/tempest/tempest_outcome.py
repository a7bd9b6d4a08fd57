"""What a run of Tempest came to: counted from its log, judged by the list of known failures, told as a table.

    ids of the tests chosen + log of the run ──outcome_of()──▶ Outcome
    Outcome per service + known.toml ──report()──▶ text        is_clean() ──▶ whether it is as it should be

A chosen test that neither passed nor was skipped has failed, whatever became of it: so one whose class could
not be set up, or that was never reached, counts as well. Nothing here runs anything.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_CHOSEN = re.compile(r"^(tempest\.[\w.]+)(?:\[|$)")
_OF_CLASS = re.compile(r"^\{\d+\} setUpClass \(([\w.]+)\).* \.\.\. SKIPPED(?:: (.*))?$")
_OF_TEST = re.compile(r"^\{\d+\} ([\w.]+?)(?:\[[^\]]*\])? (?:\[[\d.]+s\] )?\.\.\. (\w+)(?:: (.*))?$")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one service's tests; ids sorted."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: Mapping[str, str]
    """Reasons by id."""


@dataclass(frozen=True, slots=True)
class Known:
    """Tests that fail for a reason that is told."""

    reason: str
    tests: tuple[str, ...]
    """Ids of tests, or of classes and modules for all that is in them."""

    def means(self, test: str) -> bool:
        """Whether the test is one of them."""
        return any(test == name or test.startswith(f"{name}.") for name in self.tests)


def known_in(text: str) -> tuple[Known, ...]:
    """Return what a known.toml lists: tables `[[failure]]` with `reason` and `tests`."""
    return tuple(
        Known(str(entry["reason"]), tuple(str(test) for test in entry["tests"]))
        for entry in tomllib.loads(text).get("failure", ())
    )


def chosen_in(listing: str) -> tuple[str, ...]:
    """Return the ids that `tempest run --list-tests` printed."""
    return tuple(sorted({found[1] for line in listing.splitlines() if (found := _CHOSEN.match(line))}))


def outcome_of(chosen: Iterable[str], log: str) -> Outcome:
    """Return what became of the chosen tests by the log of `tempest run`."""
    heard: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for line in log.splitlines():
        if found := _OF_CLASS.match(line):
            reasons[found[1]] = found[2] or ""
        elif found := _OF_TEST.match(line):
            heard[found[1]] = found[2] if heard.get(found[1]) in (None, "ok", "SKIPPED") else heard[found[1]]
            reasons[found[1]] = found[3] or ""
    passed, failed, skipped = [], [], {}
    for test in sorted(chosen):
        word = heard.get(test)
        if word == "ok":
            passed.append(test)
        elif word == "SKIPPED":
            skipped[test] = reasons[test]
        elif word is None and test.rpartition(".")[0] in reasons:
            skipped[test] = reasons[test.rpartition(".")[0]]
        else:
            failed.append(test)
    return Outcome(tuple(passed), tuple(failed), skipped)


def report(outcomes: Mapping[str, Outcome], known: Sequence[Known]) -> str:
    """Return a table with a row for each service, and below it every test that failed or was skipped."""
    width = max(len(name) for name in (*outcomes, "service"))
    lines = [f"{'service':{width}}  passed  failed  (known)  skipped"]
    for name, outcome in outcomes.items():
        lines.append(
            f"{name:{width}}  {len(outcome.passed):6}  {len(outcome.failed):6}"
            f"  {len(outcome.failed) - len(_surprises(outcome, known)):7}  {len(outcome.skipped):7}"
        )
    for name, outcome in outcomes.items():
        lines += _skips(name, outcome)
    failed = [test for outcome in outcomes.values() for test in outcome.failed]
    for entry in known:
        tests = [test for test in failed if entry.means(test)]
        lines += ["", f"known to fail: {entry.reason}", *(f"  {test}" for test in tests)] if tests else []
    mended = [test for outcome in outcomes.values() for test in outcome.passed if _is_known(test, known)]
    lines += ["", "listed as failures, but passed:", *(f"  {test}" for test in mended)] if mended else []
    surprises = [test for outcome in outcomes.values() for test in _surprises(outcome, known)]
    lines += ["", "FAILED:", *(f"  {test}" for test in surprises)] if surprises else []
    return "\n".join(lines)


def is_clean(outcomes: Mapping[str, Outcome], known: Sequence[Known]) -> bool:
    """Whether something ran in each, and nothing failed but what is known to."""
    return all(outcome.passed and not _surprises(outcome, known) for outcome in outcomes.values())


def _surprises(outcome: Outcome, known: Sequence[Known]) -> list[str]:
    return [test for test in outcome.failed if not _is_known(test, known)]


def _is_known(test: str, known: Sequence[Known]) -> bool:
    return any(entry.means(test) for entry in known)


def _skips(name: str, outcome: Outcome) -> list[str]:
    """How often each reason was given."""
    counts = Counter(reason.strip() or "no reason given" for reason in outcome.skipped.values())
    return (
        ["", f"skipped of {name}:", *(f"{n:5}  {why}" for why, n in counts.most_common())] if counts else []
    )
