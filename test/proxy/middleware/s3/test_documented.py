"""The manual has what there is, and nothing else; and a client library has asked for all of it."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from botocore import xform_name

from apus.proxy.middleware.s3.operations import OPERATIONS

HERE = Path(__file__).resolve()
MANUAL = HERE.parents[4] / "doc" / "api.md"
FUNCTIONAL = HERE.parents[3] / "functional"
_row = re.compile(r"^\| (service|bucket|object) `(\w+)(?: \?([\w-]+))?` \| (.*) \|$", re.MULTILINE)
_word = re.compile(r"[A-Z]\w+")
_verb = re.compile(r"^(put|get|delete)_(.*?)(_configuration)?$")
NOBODYS = {
    ("bucket", "POST", ""): "posted(",
    ("bucket", "OPTIONS", ""): '"OPTIONS"',
    ("object", "OPTIONS", ""): '"OPTIONS"',
}
"""What browsers ask for has no name in the libraries: what the tests say instead."""


def rows() -> list[tuple[tuple[str, str, str], str]]:
    """Return what the manual tells: level, method and subresource, and what that is."""
    return [((level, method, word), said) for level, method, word, said in _row.findall(MANUAL.read_text())]


def test_each_operation_has_its_row() -> None:
    """Level, method and subresource."""
    places = [place for place, _ in rows()]
    assert len(places) == len(set(places))
    assert set(places) == set(OPERATIONS)


def called(text: str, method: str) -> bool:
    """Tell whether tests call a method of boto3's client, by its name or by one that is put together."""
    verb = _verb.match(method)
    stems = () if verb is None else (verb[2], f"{verb[2]}_configuration")
    return (
        f".{method}(" in text
        or f".{method}, " in text
        or any(f'"{name}"' in text for name in (method, *stems))
    )


@pytest.fixture(scope="module")
def tests() -> str:
    """All functional tests of S3."""
    return "".join(path.read_text() for path in FUNCTIONAL.glob("test_s3_*.py"))


def test_a_client_asks_for_each_operation(tests: str) -> None:
    """The functional tests have Amazon's own library do everything that the manual has a row for."""
    known = boto3.client("s3", "us-east-1").meta.service_model.operation_names
    for place, said in rows():
        named = [word for word in _word.findall(said.partition(":")[0]) if word in known]
        if place in NOBODYS:
            assert NOBODYS[place] in tests
            continue
        assert named, f"{place}: the manual names none of boto3's operations"
        missing = [word for word in named if not called(tests, xform_name(word))]
        assert not missing, f"no functional test calls {missing}"


TRAPS = (
    1,
    2,
    5,
    6,
    11,
    48,
    49,
    50,
    51,
    52,
    53,
    54,
    55,
    56,
    57,
    58,
    59,
    60,
    61,
    64,
    66,
    67,
    76,
    78,
    81,
    86,
    87,
    89,
)
"""What other stores have fallen into where it hurts: rights, signatures, parsers, bodies, locks."""


@pytest.mark.parametrize("number", TRAPS)
def test_each_trap_has_a_test_that_is_named_after_it(number: int) -> None:
    """In S3's tests, wherever that is."""
    paths = (*FUNCTIONAL.glob("test_s3_*.py"), *HERE.parent.rglob("test_*.py"))
    name = re.compile(rf"def test_traps?_(\d+_and_)?{number}_")
    assert any(name.search(path.read_text()) for path in paths)
