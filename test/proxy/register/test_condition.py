"""What clients and filters want an object to be before it is changed."""

from __future__ import annotations

import pytest

from apus.common.errors import Refused
from apus.common.register import ABSENT, Version
from apus.common.timestamp import Timestamp
from apus.proxy.register.condition import condition_of

THERE = Version("c", Timestamp(1), "abc", exists=True)


@pytest.mark.parametrize(
    ("environ", "holds_there", "holds_absent"),
    [
        ({"HTTP_IF_NONE_MATCH": "*"}, False, True),
        ({"HTTP_IF_MATCH": "*"}, True, False),
        ({"HTTP_IF_MATCH": '"abc"'}, True, False),
        ({"HTTP_IF_MATCH": 'x, W/"abc"'}, True, False),
        ({"HTTP_IF_MATCH": '"ab"'}, False, False),
        ({"HTTP_IF_MATCH": ""}, False, False),
        ({"HTTP_IF_MATCH": "*", "HTTP_IF_NONE_MATCH": "*"}, False, False),
    ],
)
def test_a_condition_is_judged(environ: dict[str, str], holds_there: bool, holds_absent: bool) -> None:
    """By the ETag, in any spelling; what is absent matches nothing."""
    condition = condition_of(environ)
    assert condition is not None
    assert condition.holds(THERE) is holds_there
    assert condition.holds(ABSENT) is holds_absent


def test_most_requests_have_none() -> None:
    """None, and for what can't be judged Refused."""
    assert condition_of({"HTTP_X_TIMESTAMP": "1"}) is None
    with pytest.raises(Refused, match="only supports"):
        condition_of({"HTTP_IF_NONE_MATCH": '"abc"'})
