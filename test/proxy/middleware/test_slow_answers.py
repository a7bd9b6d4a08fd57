"""Answers that take long: beats while the work goes on, and documents that stock's clients parse."""

from __future__ import annotations

import json
from itertools import islice
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.concurrency import sleep
from apus.proxy.middleware.slow_answers import DECLARATION, FORMS, beating, document

FACTS: dict[str, str | int] = {
    "Response Status": "400 Bad Request",
    "Number Deleted": 2,
    "Response Body": "a < b",
}
ERRORS = [("c/o%20%3C", "401 Unauthorized")]


def test_quick_work_has_no_beats() -> None:
    """Text and JSON come as they are, XML behind its declaration."""
    assert list(beating(lambda: b"done", form="text/plain", every_seconds=5)) == [b"done"]
    assert list(beating(lambda: b"<a/>", form="text/xml", every_seconds=5)) == [DECLARATION + b"<a/>"]


@pytest.mark.parametrize(
    ("form", "first", "last"),
    [
        ("text/plain", b" ", b"\r\n\r\ndone"),
        ("application/xml", DECLARATION, b"\r\n\r\ndone"),
        (None, b" ", b"\r\n\r\ndone"),
    ],
)
def test_long_work_is_heard_of(form: str | None, first: bytes, last: bytes) -> None:
    """White space comes before the document; before an XML declaration comes nothing (lp 1819252)."""

    def work() -> bytes:
        sleep(0.05)
        return b"done"

    beats = list(beating(work, form=form, every_seconds=0.02))
    assert beats[0] == first
    assert set(beats[1:-1]) <= {b" "}
    assert beats[-1] == last


def test_who_stops_listening_ends_the_work() -> None:
    """A client that goes away leaves nobody at work."""
    steps: list[str] = []

    def work() -> bytes:
        try:
            sleep(60)
        finally:
            steps.append("ended")
        return b""

    body = beating(work, form=None, every_seconds=0.01)
    assert list(islice(body, 2)) == [b" ", b" "]
    body.close()  # type: ignore[attr-defined]
    assert steps == ["ended"]


def test_a_failure_of_the_work_comes_out() -> None:
    """Nobody takes a broken-off answer for a whole one."""

    def work() -> bytes:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        list(beating(work, form=None, every_seconds=1))


def test_the_documents_are_stocks() -> None:
    """Facts by name in text and XML, errors at the end."""
    assert document("text/plain", FACTS, ERRORS, root="delete").decode() == (
        "Number Deleted: 2\nResponse Body: a < b\nResponse Status: 400 Bad Request\n"
        "Errors:\nc/o%20%3C, 401 Unauthorized\n"
    )
    assert json.loads(document("application/json", FACTS, ERRORS, root="delete")) == {
        **FACTS,
        "Errors": [["c/o%20%3C", "401 Unauthorized"]],
    }
    assert document("text/xml", FACTS, ERRORS, root="delete").decode() == (
        "<delete>\n<number_deleted>2</number_deleted>\n<response_body>a &lt; b</response_body>\n"
        "<response_status>400 Bad Request</response_status>\n<errors>\n"
        "<object><name>c/o%20%3C</name><status>401 Unauthorized</status></object>\n</errors>\n</delete>\n"
    )


PRINTED = st.text(st.characters(min_codepoint=32, max_codepoint=126))  # Names come percent-encoded.


@given(st.sampled_from(FORMS), st.lists(st.tuples(PRINTED, st.just("400"))))
def test_every_error_is_in_every_form(form: str, errors: list[tuple[str, str]]) -> None:
    """Whatever the names are."""
    said = document(form, FACTS, errors, root="extract")
    if form.endswith("json"):
        assert json.loads(said)["Errors"] == [list(error) for error in errors]
    elif form.endswith("xml"):
        names = [node.text or "" for node in ET.fromstring(said).iter("name")]
        assert names == [name for name, _ in errors]
    else:
        assert said.decode().splitlines()[4:] == [f"{name}, 400" for name, _ in errors]
