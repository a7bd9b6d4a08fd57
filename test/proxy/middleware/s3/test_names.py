"""Which bucket and key a request is for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3 import names
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.names import Place, is_bucket, is_new_bucket, place

DOMAINS = (".s3.example.com", ".s3.us-east-1.example.com")


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("example.com", "/", Place()),
        ("example.com", "/bkt", Place(None, "bkt")),
        ("example.com", "/bkt/", Place(None, "bkt")),
        ("example.com", "/bkt/k", Place(None, "bkt", "k")),
        ("example.com", "/bkt//k/../x/", Place(None, "bkt", "/k/../x/")),
        ("example.com", "/AUTH_a:bkt/k", Place("AUTH_a", "bkt", "k")),
        ("s3.example.com", "/bkt/k", Place(None, "bkt", "k")),
        ("bkt.s3.example.com", "/", Place(None, "bkt")),
        ("bkt.s3.example.com", "/k/l", Place(None, "bkt", "k/l")),
        ("b.k.t.S3.Example.com", "/k", Place(None, "b.k.t", "k")),
        ("bkt.s3.us-east-1.example.com", "/k", Place(None, "bkt", "k")),
        ("other.example.org", "/bkt/k", Place(None, "bkt", "k")),
    ],
)
def test_trap_76_a_bucket_is_in_the_host_or_in_the_path(host: str, path: str, expected: Place) -> None:
    """Configured domains only; any other host means path style; /bkt and /bkt/ are the same."""
    assert place(host, path, DOMAINS) == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("//k", "InvalidURI"),
        ("/a:/k", "InvalidURI"),
        ("/bkt/k\0", "InvalidURI"),
        ("/bkt/\udcff", "InvalidURI"),
        ("/bkt/" + "k" * 1025, "KeyTooLongError"),
        ("/bkt/" + "é" * 513, "KeyTooLongError"),
        ("/b/k", "InvalidBucketName"),
        ("/bkt+segments/k", "InvalidBucketName"),
        ("/bücket/k", "InvalidBucketName"),
    ],
)
def test_what_can_be_no_name(path: str, code: str) -> None:
    """The right error for each; containers of parts are no buckets."""
    with pytest.raises(S3Error) as caught:
        place("example.com", path, ())
    assert caught.value.code == code


def test_trap_69_the_longest_key() -> None:
    """1024 bytes."""
    assert place("h", "/bkt/" + "é" * 512, ()).key == "é" * 512


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b", "a.-b", "a-.b", "1.2.3.4"),
        *("xn--abc", "abc-s3alias", "abc--ol-s3", "a b", "äbc", "abc\n", ""),
    ],
)
def test_trap_75_names_that_no_new_bucket_may_have(name: str) -> None:
    """Amazon's rules."""
    assert not is_new_bucket(name)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "a.b.c", "0-1", "1.2.3.4.5"])
def test_trap_75_names_that_it_may_have(name: str) -> None:
    """Amazon's rules."""
    assert is_new_bucket(name)


@given(st.text(max_size=70))
def test_what_may_be_created_can_be_reached(name: str) -> None:
    """The rules for new buckets are the narrower ones."""
    assert is_bucket(name) or not is_new_bucket(name)
    assert not is_bucket(names.segments_of(name))
