"""GET /info: the public view, and the one that is signed for."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import environ_for

from apus.common import info
from apus.common.http.answer import Answer
from apus.proxy.controllers.info import is_signed, serve_info, signature
from apus.proxy.settings import ProxySettings

KEY = "operator's"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sections, and one that only the operator sees."""
    monkeypatch.setattr(info, "_public", {"swift": {"a": 1, "b": 2}, "slo": {"c": 3}})
    monkeypatch.setattr(info, "_admin", {"secrets": {"d": 4}})


def served(method: str = "GET", query: str = "", headers: Any = None, **settings: Any) -> Answer:
    """Ask for /info under these settings."""
    environ = environ_for(method, "/info", query=query, headers=headers)
    return serve_info(environ, ProxySettings(**settings))


def document(answer: Answer) -> Any:
    """The answer's JSON."""
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def signed(method: str = "GET", *, seconds: int = 60, key: str = KEY) -> str:
    """A query with stock's signature, made as its operators make it."""
    expires = int(time.time()) + seconds
    message = f"{method}\n{expires}\n/info".encode()
    return f"swiftinfo_sig={hmac.new(key.encode(), message, hashlib.sha1).hexdigest()}&swiftinfo_expires={expires}"


def test_trap_42_info_is_public_and_hides_what_is_disallowed() -> None:
    """Whole sections and single keys; the admin section is not for everybody."""
    assert document(served()) == {"swift": {"a": 1, "b": 2}, "slo": {"c": 3}}
    assert document(served(disallowed_sections=("slo", "swift.a"))) == {"swift": {"b": 2}}


def test_trap_42_who_has_the_key_sees_the_admin_section() -> None:
    """With what is hidden named, not shown."""
    shown = document(served(query=signed(), admin_key=KEY, disallowed_sections=("slo",)))
    assert shown == {
        "swift": {"a": 1, "b": 2},
        "admin": {"secrets": {"d": 4}, "disallowed_sections": ["slo"]},
    }
    assert served("HEAD", signed("HEAD"), admin_key=KEY).status == 200
    assert served("HEAD", signed("GET"), admin_key=KEY).status == 200


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(lambda: signed(key="another"), id="another-key"),
        pytest.param(lambda: signed(seconds=-60), id="expired"),
        pytest.param(lambda: signed("HEAD"), id="another-method"),
        pytest.param(lambda: signed() + "x", id="more-than-a-moment"),
        pytest.param(lambda: "swiftinfo_sig=x", id="no-moment"),
        pytest.param(lambda: "swiftinfo_expires=99999999999", id="no-signature"),
        pytest.param(lambda: "swiftinfo_sig=%E2%82%AC&swiftinfo_expires=99999999999", id="not-ascii"),
        pytest.param(lambda: "swiftinfo_sig=x&swiftinfo_expires=soon", id="not-a-moment"),
    ],
)
def test_trap_42_a_wrong_signature_is_401(sign: Callable[[], str]) -> None:
    """Not the public view: who signs wants to know that it failed."""
    query = sign()
    assert served(query=query, admin_key=KEY).status == 401
    assert served(query=query).status == 403


def test_hidden_altogether() -> None:
    """403, even signed."""
    assert served(query=signed(), admin_key=KEY, expose_info=False).status == 403


def test_other_origins_may_read_it() -> None:
    """And OPTIONS says what can be done."""
    assert served(headers={"Origin": "http://x"}).headers["Access-Control-Allow-Origin"] == "http://x"
    assert served("OPTIONS").headers["Allow"] == "HEAD, GET, OPTIONS"
    assert served("PUT").status == 405


@given(st.text(), st.text(), st.integers(0, 2**40))
def test_no_other_text_is_a_signature(given_text: str, expires: str, moment: int) -> None:
    """Whatever strangers send, it is true or false, and false but for the one right text."""
    query = {"swiftinfo_sig": given_text, "swiftinfo_expires": expires}
    assert not is_signed("GET", query, key=KEY, now=0)
    good = {"swiftinfo_sig": signature("GET", moment, KEY), "swiftinfo_expires": str(moment)}
    assert is_signed("GET", good, key=KEY, now=moment)
    assert not is_signed("GET", good, key=KEY, now=moment + 1)
