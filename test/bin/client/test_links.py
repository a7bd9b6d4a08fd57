"""Temporary URLs that work as they are printed."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swiftclient.utils import generate_temp_url

from apus.bin.apus import main

UNTIL = "4000000000"


def url_of(*words: str) -> str:
    """What `apus tempurl` prints; nobody logs in."""
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["tempurl", "--absolute", *words]) == 0
    return printed.getvalue().rstrip("\n")


def signature(path: str) -> str:
    """What the store expects for the path as it reads it."""
    url = str(generate_temp_url(path, UNTIL, "key", "GET", absolute=True, digest="sha256"))
    return parse_qs(url.removeprefix(path).removeprefix("?"))["temp_url_sig"][0]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_is_signed_and_encoded(name: str) -> None:
    """What stands after ? or # is a part of the name, too, and the URL has neither blanks nor breaks."""
    path = f"/v1/AUTH_a/c/{name}"
    printed = url_of("GET", UNTIL, "--", path, "key")
    assert printed.isascii()
    assert printed.isprintable()
    assert " " not in printed
    at = urlsplit(f"http://store{printed}")
    assert parse_qs(at.query)["temp_url_sig"] == [signature(path)]
    whole = url_of("GET", UNTIL, f"http://store{at.path}", "key")
    assert whole == f"http://store{printed}"


def test_prefix_and_addresses_are_encoded() -> None:
    """An ampersand in a name does not end the value."""
    printed = url_of("GET", UNTIL, "/v1/AUTH_a/c/a&b ", "key", "--prefix-based", "--ip-range", "10.0.0.0/8")
    query = parse_qs(urlsplit(printed).query)
    assert (query["temp_url_prefix"], query["temp_url_ip_range"]) == (["a&b "], ["10.0.0.0/8"])


@pytest.mark.parametrize("place", ["http://store/v1/a/c/o?x", "http://store/v1/a/c/o#x", "/v1/a/c", "o"])
def test_what_is_no_objects_address_is_refused(place: str) -> None:
    """Instead of a URL for something else."""
    assert main(["tempurl", "GET", "60", place, "key"]) == 2
