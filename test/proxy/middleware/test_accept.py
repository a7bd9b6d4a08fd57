"""Laws of content negotiation."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.accept import best_match, parse_accept

OFFERED = ("text/plain", "application/json", "application/xml", "text/xml")


@pytest.mark.parametrize(
    ("header", "best"),
    [
        ("", "text/plain"),
        ("   ", "text/plain"),
        ("*/*", "text/plain"),
        ("application/json", "application/json"),
        ("text/xml", "text/xml"),
        ("text/*", "text/plain"),
        ("application/*", "application/json"),
        ("application/xml, text/plain", "application/xml"),
        ("text/plain;q=0.5,application/xml", "application/xml"),
        ("text/plain;q=0.5,application/xml;q=0.1", "text/plain"),
        ("*/*, application/xml", "application/xml"),
        ("*/*;q=0.9,application/xml;q=0.1", "text/plain"),
        ("application/json;charset=utf-8;q=0.3", "application/json"),
        ('application/json; a="x;y\\",q"', "application/json"),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "application/xml"),
        ("image/png", None),
        ("text/plain;q=0", None),
        ("*/*, text/plain;q=0", "application/json"),
        ("foo/*,bar/*", None),
    ],
)
def test_the_best_offer_wins(header: str, best: str | None) -> None:
    """By quality, then exactness, then the client's order, then ours."""
    assert best_match(header, OFFERED) == best


@pytest.mark.parametrize(
    "header",
    ["nonsense", "text", "text/", "/plain", "text/plain;", "text/plain;q", "text/plain;q=", "text/plain;q=x",
     "text/plain;q=nan", "text/plain;q=-1", "text/plain;q=1;q=1", "text/plain;a=\"b", "text/plain,,text/xml",
     "text/plain,", ",", "text plain/x", "text/plain text/xml", "text/pl\x00ain", "a/b;c=d e"],
)  # fmt: skip
def test_a_malformed_header_is_an_error(header: str) -> None:
    """It is never guessed at."""
    with pytest.raises(ValueError):
        best_match(header, OFFERED)


@given(st.text(st.sampled_from('aq/*;=," \\.0\t'), max_size=60))
def test_no_header_breaks_the_parser(header: str) -> None:
    """It parses or raises ValueError."""
    try:
        assert best_match(header, OFFERED) in (None, *OFFERED)
    except ValueError:
        pass


@pytest.mark.parametrize(
    "unit",
    [
        "a/b;c=d",
        ";a=b",
        " ",
        "\t;",
        '"',
        '\\"',
        "a/b,",
        ';a="b"',
        "a/b; ",
        ";;",
        "a=",
        "*",
        "a/b;q=0.5,",
        "; a = b",
    ],
)
@pytest.mark.parametrize("opening", ["", "a/b", 'a/b;c="', "a/b;c=d"])
def test_time_is_linear_in_the_length(opening: str, unit: str) -> None:
    """Sixteen times the header takes about sixteen times as long, not two hundred and fifty-six (CVE-2026-71190)."""

    def cost(length: int) -> float:
        header = opening + unit * (length // len(unit)) + "!"
        best = 9.0
        for _ in range(3):
            begun = time.process_time()
            try:
                parse_accept(header)
            except ValueError:
                pass
            best = min(best, time.process_time() - begun)
        return best

    assert cost(160_000) < max(0.005, 60 * cost(10_000))
