"""What an answer says of the object's end."""

from __future__ import annotations

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.s3.configuration import documents, forecast

OBJECT = {"ETag": '"e"', "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT", "Content-Length": "5"}
TOLD = 'expiry-date="Mon, 23 Nov 2026 00:00:00 GMT", rule-id="r"'


def told(chosen: str = "", method: str = "GET", status: int = 200, **more: str) -> str | None:
    """Return what is said of the object k in a bucket with one rule."""
    rule = (
        f"<ID>r</ID><Status>Enabled</Status><Filter>{chosen}</Filter><Expiration><Days>1</Days></Expiration>"
    )
    text = f"<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>"
    store = KeepingStore()
    assert ask(store, "PUT", "/v1/a/c", headers=documents.packed("lifecycle", text, {})).status == 201
    answer = Answer(status, {**OBJECT, **{name.replace("_", "-"): value for name, value in more.items()}})
    forecast.finish(request(store, method, "c", "k"), answer)
    return answer.headers.get("x-amz-expiration")


def test_who_reads_an_object_is_told() -> None:
    """The midnight at which it goes, and the rule."""
    assert told() == TOLD
    assert told("<Prefix>k</Prefix>", "HEAD") == TOLD
    assert told("<ObjectSizeGreaterThan>4</ObjectSizeGreaterThan>") == TOLD
    ranged = {"Content_Range": "bytes 0-0/5", "Content_Length": "1"}
    assert told("<ObjectSizeGreaterThan>4</ObjectSizeGreaterThan>", status=206, **ranged) == TOLD


@pytest.mark.parametrize(
    ("date", "is_rules"), [("Sun, 22 Nov 2026 00:00:00 GMT", False), ("Tue, 24 Nov 2026 00:00:00 GMT", True)]
)
def test_trap_89_of_two_ends_the_earlier_is_told(date: str, is_rules: bool) -> None:
    """An object's own, which the other API has set, and that of a rule."""
    own = f'expiry-date="{date}", rule-id="swift-object-expiration"'
    assert told(x_amz_expiration=own) == (TOLD if is_rules else own)


@pytest.mark.parametrize("chosen", ["<Prefix>x</Prefix>", "<ObjectSizeLessThan>5</ObjectSizeLessThan>"])
def test_of_others_nothing_is_said(chosen: str) -> None:
    """Nor on errors, nor of tagged objects where tags decide."""
    assert told(chosen) is None
    assert told(status=404) is None
    assert told(method="DELETE") is None
    tag = "<Tag><Key>a</Key><Value>1</Value></Tag>"
    assert told(tag, x_amz_tagging_count="1") is None
