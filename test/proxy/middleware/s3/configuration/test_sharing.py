"""What pages of other origins are told."""

from __future__ import annotations

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.s3.configuration import documents, sharing
from apus.proxy.middleware.s3.errors import S3Error

ORIGIN = "https://www.example.com"
RULES = f"""<CORSConfiguration><CORSRule><AllowedOrigin>{ORIGIN}</AllowedOrigin>
<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader></CORSRule></CORSConfiguration>"""


def store(rules: str = RULES) -> KeepingStore:
    """A store with a bucket c that has rules."""
    made = KeepingStore()
    headers = documents.packed("cors", rules, {}) if rules else {}
    assert ask(made, "PUT", "/v1/a/c", headers=headers).status == 201
    return made


def preflight(made: KeepingStore, **said: str) -> Answer:
    """Ask what a browser asks first."""
    headers = {name.replace("_", "-"): value for name, value in said.items()}
    return sharing.preflight(request(made, "OPTIONS", "c", "k", headers=headers))


def test_a_preflight_needs_nobodys_leave() -> None:
    """It carries no signature."""
    made = store()
    answer = preflight(
        made,
        Origin=ORIGIN,
        Access_Control_Request_Method="PUT",
        Access_Control_Request_Headers="x-amz-date, X-Amz-Acl",
    )
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Headers"] == "x-amz-date, x-amz-acl"
    assert not [path for _, path in made.seen if path.endswith("/k")]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"Origin": ORIGIN, "Access_Control_Request_Method": "GET"}, "AccessForbidden"),
        ({"Origin": "http://else", "Access_Control_Request_Method": "PUT"}, "AccessForbidden"),
        (
            {
                "Origin": ORIGIN,
                "Access_Control_Request_Method": "PUT",
                "Access_Control_Request_Headers": "authorization",
            },
            "AccessForbidden",
        ),
        ({"Access_Control_Request_Method": "PUT"}, "BadRequest"),
        ({"Origin": ORIGIN}, "BadRequest"),
        ({"Origin": ORIGIN, "Access_Control_Request_Method": "EAT"}, "BadRequest"),
    ],
)
def test_what_is_not_allowed(said: dict[str, str], code: str) -> None:
    """403 with S3's words, where no rule fits."""
    with pytest.raises(S3Error) as caught:
        preflight(store(), **said)
    assert caught.value.code == code


@pytest.mark.parametrize("status", [200, 404])
def test_answers_say_it_too(status: int) -> None:
    """Errors as well, or the page never learns why."""
    answer = Answer(status)
    sharing.finish(request(store(), "PUT", "c", "k", headers={"Origin": ORIGIN}), answer)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_others_hear_nothing() -> None:
    """No rule, another origin, another method, no origin, no bucket."""
    for made, method, headers in (
        (store(""), "PUT", {"Origin": ORIGIN}),
        (store(), "GET", {"Origin": ORIGIN}),
        (store(), "PUT", {"Origin": "http://else"}),
        (store(), "PUT", {}),
    ):
        answer = Answer(200)
        sharing.finish(request(made, method, "c", "k", headers=headers), answer)
        assert not answer.headers
    answer = Answer(200)
    sharing.finish(request(store(), "GET", headers={"Origin": ORIGIN}), answer)
    assert not answer.headers
