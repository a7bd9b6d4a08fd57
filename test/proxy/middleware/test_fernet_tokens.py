"""Laws of stock Swift's signed tokens."""

from __future__ import annotations

import zlib

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.proxy.middleware.fernet_tokens import GROUPS_BYTES_MAX, FernetTokens, Opened, fernet_from_options

KEY = "A" * 43 + "="
OTHER = "B" * 42 + "A="
NOW = 1_700_000_000


def tokens(**options: str) -> FernetTokens:
    return fernet_from_options(
        {"fernet_key_k1": KEY, "active_fernet_key_id": "k1", **options}, life_seconds=60
    )


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_a_token_says_what_was_sealed(groups: str) -> None:
    """In whichever form is shorter, until its end and not after."""
    token = tokens().issue(groups, now=NOW)
    assert token.isascii()
    assert tokens().open(token, now=NOW + 60) == Opened(groups, NOW + 60)
    assert tokens().open(token, now=NOW + 61) is None


def test_stock_swift_made_this() -> None:
    """Golden: groups sealed as stock's tempauth seals them, plain and compressed."""
    groups = "test,test:tester,AUTH_test"
    plain = "ftk" + Fernet(KEY).encrypt_at_time(groups.encode(), NOW).decode()
    packed = "zftk" + Fernet(KEY).encrypt_at_time(zlib.compress(groups.encode()), NOW).decode()
    for token in (plain, packed):
        assert tokens().open(token, now=NOW) == Opened(groups, NOW + 60)


@given(st.text())
def test_anything_may_be_offered(text: str) -> None:
    """Opening never raises and believes nothing."""
    for offered in (text, f"ftk{text}", f"zftk{text}"):
        assert tokens().open(offered, now=NOW) is None


def test_other_keys_are_not_believed() -> None:
    """Keys can be rotated: any of them opens, the active one seals."""
    old = fernet_from_options({"fernet_key_o": OTHER, "active_fernet_key_id": "o"}, life_seconds=60)
    token = old.issue("a,a:b", now=NOW)
    assert tokens().open(token, now=NOW) is None
    assert tokens(fernet_key_o=OTHER).open(token, now=NOW) == Opened("a,a:b", NOW + 60)


@pytest.mark.parametrize(
    "content", [b"", zlib.compress(b"a" * (GROUPS_BYTES_MAX + 1)), zlib.compress(b"a,b")[:-3], b"x"]
)
def test_a_genuine_seal_does_not_make_sense_of_nonsense(content: bytes) -> None:
    """Nothing, a bomb, half a stream, no stream."""
    token = "zftk" + Fernet(KEY).encrypt_at_time(content, NOW).decode()
    assert tokens().open(token, now=NOW) is None


def test_without_keys_there_are_no_such_tokens() -> None:
    """They are neither issued nor believed."""
    none = fernet_from_options({}, life_seconds=60)
    assert not none.issues
    assert none.open(tokens().issue("a", now=NOW), now=NOW) is None
    checking_only = fernet_from_options({"fernet_key": KEY}, life_seconds=60)
    assert not checking_only.issues
    assert checking_only.open(tokens().issue("a", now=NOW), now=NOW) is not None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"fernet_key_x": "short"}, "fernet_key_x"),
        ({"fernet_key_x": KEY, "active_fernet_key_id": "y"}, "fernet_key_y"),
        ({"active_fernet_key_id": "y"}, "fernet_key_y"),
    ],
)
def test_a_bad_key_stops_the_start(options: dict[str, str], complaint: str) -> None:
    """The message names it, and does not show it."""
    with pytest.raises(Refused, match=complaint) as refusal:
        fernet_from_options(options, life_seconds=60)
    assert KEY not in str(refusal.value)
