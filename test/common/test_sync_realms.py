"""Laws of the realms within which clusters synchronise containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.sync_realms import Realms, parse_realms, signature

FILE = """
[DEFAULT]
mtime_check_interval = 10

[us]
key = k%1
key2 = k2
cluster_dfw1 = http://dfw1.example/v1/
cluster_sat = http://sat.example/v1/
"""


def test_names_count_in_any_case() -> None:
    """Of realms and of clusters."""
    realms, every = parse_realms(FILE)
    assert every == 10
    assert realms["US"].keys == ("k%1", "k2")
    assert realms["US"].clusters == {
        "DFW1": "http://dfw1.example/v1/",
        "SAT": "http://sat.example/v1/",
    }


@pytest.mark.parametrize("text", ["key = 1", "[DEFAULT]\nmtime_check_interval = soon", "[us\n"])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    """With the reason."""
    with pytest.raises(Refused):
        parse_realms(text)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """As often as it says; spoilt, it changes nothing; absent, there are no realms."""
    now = [0.0]
    path = tmp_path / "realms.conf"
    realms = Realms(str(path), clock=lambda: now[0])
    assert realms.realm("us") is None
    path.write_text(FILE)
    assert not realms.all()
    assert realms.realm("Us") is not None, "what is not known yet is looked for"
    now[0] = 301
    assert realms.all()
    path.write_text(FILE.replace("k%1", "other"))
    os.utime(path, (1, 1))
    now[0] = 305
    assert realms.all()["US"].key == "k%1"
    now[0] = 312
    assert realms.all()["US"].key == "other"
    path.write_text("[us")
    os.utime(path, (2, 2))
    now[0] = 330
    assert realms.all()["US"].key == "other"


def test_the_signature_is_stocks() -> None:
    """What stock Swift 2.38.3 makes of the same values."""
    made = signature("PUT", "/v1/AUTH_a/c/o", "1700000000.00000", "nonce", realm_key="realm", user_key="user")
    assert made == "54ce0d03282881fdd840df169622494d9145c363"


@given(
    st.lists(st.text(max_size=8), min_size=6, max_size=6), st.integers(0, 5), st.text(min_size=1, max_size=3)
)
def test_the_signature_covers_everything(words: list[str], which: int, more: str) -> None:
    """Whatever is changed, another signature comes out."""

    def made(method: str, path: str, timestamp: str, nonce: str, realm_key: str, user_key: str) -> str:
        return signature(method, path, timestamp, nonce, realm_key=realm_key, user_key=user_key)

    changed = [*words[:which], words[which] + more, *words[which + 1 :]]
    if "\0" not in more and "\n" not in "".join([*words, more]):
        assert made(*words) != made(*changed)
