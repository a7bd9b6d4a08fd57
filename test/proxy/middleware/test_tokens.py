"""Laws of signed tokens."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware import tokens

KEY = tokens.signing_key(b"s" * 32, "test:tester", "testing")
users = (
    st.text(min_size=1, max_size=100)
    .filter(lambda name: len(name.encode("utf-8", "replace")) <= 300)
    .filter(lambda name: not any("\ud800" <= letter <= "\udfff" for letter in name))
)
expiries = st.integers(0, 2**48 - 1)


@given(users, expiries)
def test_a_token_says_what_was_signed(user: str, expires: int) -> None:
    """It opens to the same user and expiry, is genuine, and travels in a header."""
    token = tokens.sign(user, expires, key=KEY)
    assert token.isascii()
    assert token.isprintable()
    claim = tokens.open_token(token)
    assert claim is not None
    assert (claim.user, claim.expires) == (user, expires)
    assert tokens.is_genuine(claim, key=KEY)


@given(users, expiries, st.data())
def test_a_changed_token_is_not_genuine(user: str, expires: int, data: st.DataObject) -> None:
    """Any flipped bit either makes it no token or breaks its MAC."""
    token = tokens.sign(user, expires, key=KEY)
    blob = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8
    claim = tokens.open_token(base64.urlsafe_b64encode(bytes(blob)).rstrip(b"=").decode())
    assert claim is None or not tokens.is_genuine(claim, key=KEY)


@given(st.text())
def test_anything_may_be_offered_as_a_token(text: str) -> None:
    """Opening never raises; nothing but what was signed is genuine."""
    claim = tokens.open_token(text)
    assert claim is None or not tokens.is_genuine(claim, key=KEY)


def test_a_huge_token_is_not_even_decoded() -> None:
    """Its length alone refuses it."""
    assert tokens.open_token("A" * 100_000) is None


def test_keys_differ_by_secret_user_and_password() -> None:
    """A changed password, another user and another cluster each have other keys."""
    keys = {
        KEY,
        tokens.signing_key(b"t" * 32, "test:tester", "testing"),
        tokens.signing_key(b"s" * 32, "test:tester", "changed"),
        tokens.signing_key(b"s" * 32, "test:testert", "esting"),
    }
    assert len(keys) == 4
    claim = tokens.open_token(tokens.sign("test:tester", 1, key=KEY))
    assert claim is not None
    assert sum(tokens.is_genuine(claim, key=key) for key in keys) == 1


def test_the_secret_comes_from_the_cluster() -> None:
    """The cluster secret goes before the salt; prefix and suffix cannot be traded for each other."""
    derived = {
        tokens.derive_secret("", b"ab", b"c"),
        tokens.derive_secret("", b"a", b"bc"),
        tokens.derive_secret("cluster", b"ab", b"c"),
    }
    assert len(derived) == 3
    assert tokens.derive_secret("cluster", b"", b"") in derived
