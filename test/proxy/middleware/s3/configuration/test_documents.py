"""Documents in a container's metadata."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration import documents
from apus.proxy.middleware.s3.configuration.documents import PIECE_MAX, PREFIX, Torn, packed, unpacked


def kept_by(container: dict[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Return a container's system metadata after a POST of these headers."""
    start = len("X-Container-Sysmeta-")
    said = {name[start:].lower(): value for name, value in headers.items()}
    return {name: value for name, value in {**container, **said}.items() if value}


def noise(size: int) -> str:
    """Return text that cannot be compressed to much less than three quarters of it."""
    return "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


@given(st.text(max_size=300))
def test_what_is_kept_is_what_was_given(text: str) -> None:
    """Every text comes back, and its headers are ASCII."""
    headers = packed("policy", text, {})
    assert all(value.isascii() for value in headers.values())
    assert unpacked("policy", kept_by({}, headers)) == text


@pytest.mark.parametrize("size", [10, 5_000, 20_000, 100_000])
def test_long_ones_have_several_header_lines(size: int) -> None:
    """None is too long for one, and a shorter document leaves no rest of a longer one."""
    text = noise(size)
    headers = packed("lifecycle", text, {})
    assert all(len(name) + len(value) + 4 < 8192 for name, value in headers.items())
    container = kept_by({}, headers)
    assert unpacked("lifecycle", container) == text
    container = kept_by(container, packed("lifecycle", "short", container))
    assert container.keys() == {"s3api-lifecycle"}
    assert unpacked("lifecycle", container) == "short"
    assert not kept_by(container, documents.erased("lifecycle", container))


def test_a_piece_of_another_document_is_found_out() -> None:
    """Half of one document is never taken for another."""
    first, second = noise(20_000), noise(20_000)[::-1]
    mixed = kept_by({}, packed("policy", first, {}))
    other = kept_by({}, packed("policy", second, {}))
    mixed["s3api-policy-1"] = other["s3api-policy-1"]
    with pytest.raises(Torn):
        unpacked("policy", mixed)
    del mixed["s3api-policy-1"]
    with pytest.raises(Torn):
        unpacked("policy", mixed)


@given(st.text(alphabet="0123456789:abcdefghij=+/", max_size=60))
def test_garbage_is_torn(value: str) -> None:
    """Nothing else is raised, whatever is found there."""
    try:
        unpacked("policy", {"s3api-policy": value})
    except Torn:
        pass


def test_documents_whose_names_begin_alike_are_apart() -> None:
    """`x-1` is the second piece of x, and `x-y` another document."""
    container = kept_by({}, packed("x-y", "other", {}))
    assert PREFIX + "x-y" not in packed("x", "text", container)
    assert PIECE_MAX < 8192


def test_what_does_not_fit_is_refused() -> None:
    """Before anything is written."""
    with pytest.raises(documents.TooLong):
        packed("policy", noise(200_000), {})
