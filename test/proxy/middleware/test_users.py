"""Laws of configured users."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.proxy.middleware.resellers import Resellers
from apus.proxy.middleware.users import users_from_options

AUTH = Resellers.from_options({})
TWO = Resellers.from_options({"reseller_prefix": "AUTH, SERVICE"})


def test_a_user_is_in_the_groups_of_account_and_self() -> None:
    """And in those that are named; .admin becomes the accounts' names under every prefix."""
    options = {"use": "egg:apus#tempauth", "user_test_tester": "testing .admin extra", "user_a_b": "key"}
    users = users_from_options(options, TWO)
    assert users["test:tester"].groups == ("test", "test:tester", "extra", "AUTH_test", "SERVICE_test")
    assert users["test:tester"].key == "testing"
    assert users["test:tester"].storage_url == "$HOST/v1/AUTH_test"
    assert users["a:b"].groups == ("a", "a:b")


@pytest.mark.parametrize("url", ["https://other.example/v1/OTHER_x", "$HOST/v1/OTHER_x"])
def test_a_user_may_live_elsewhere(url: str) -> None:
    """The last word is a storage URL when it looks like one, and its account is the user's too."""
    [user] = users_from_options({"user_test_tester": f"testing .admin {url}"}, AUTH).values()
    assert user.storage_url == url
    assert user.groups == ("test", "test:tester", "AUTH_test", "OTHER_x")


@given(*[st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)] * 2)
def test_any_name_can_be_written_in_base64(account: str, name: str) -> None:
    """Underscores and all other characters, without equal signs."""
    words = [base64.b64encode(word.encode()).decode().rstrip("=") for word in (account, name)]
    [user] = users_from_options({"user64_" + "_".join(words): "key"}, AUTH).values()
    assert user.name == f"{account}:{name}"
    assert user.storage_url.isascii()


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("user_test", "key", "ACCOUNT_USER"),
        ("user_a_b_c", "key", "user64_"),
        ("user_a_b", "", "no key"),
        ("user64_a_b", "key", "base64"),
        ("user64_////_////", "key", "base64"),
    ],
)
def test_a_malformed_user_stops_the_start(option: str, value: str, complaint: str) -> None:
    """The message names the option and what it should be."""
    with pytest.raises(Refused, match=complaint) as refusal:
        users_from_options({option: value}, AUTH)
    assert option in str(refusal.value)
