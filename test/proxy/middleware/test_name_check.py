"""Names that the operator forbids are refused, and it is said why."""

from __future__ import annotations

import pytest
from one_request import FixedApp, ask

from apus.common.config import parse
from apus.common.errors import Refused
from apus.proxy.middleware.name_check import NameCheck, NameCheckConfig, verdict

CONFIG = NameCheckConfig()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/a/c/o'", "forbidden chars"),
        ("/v1/a/c/<b>", "forbidden chars"),
        ("/v1/a/c/" + "o" * 250, "longer than the allowed maximum 255"),
        ("/v1/a/c/" + "é" * 124, "longer than the allowed maximum 255"),
        ("/v1/a/c/../d", "regular expression"),
        ("/v1/a/c/.", "regular expression"),
    ],
)
def test_trap_43_a_forbidden_name_is_400(path: str, word: str) -> None:
    """Length is counted in bytes, as on disk."""
    assert word in (verdict(path, CONFIG) or "")
    app = NameCheck(FixedApp(), CONFIG)
    assert ask(app, "PUT", path.encode().decode("latin-1")).status == 400


@pytest.mark.parametrize("path", ["/v1/a/c/o", "/v1/a/c/..o", "/v1/a/c/" + "o" * 247, "/v1/a/c/日本"])
def test_any_other_name_is_let_through(path: str) -> None:
    """A dot is no crime."""
    assert verdict(path, CONFIG) is None


def test_without_a_pattern_dots_are_allowed() -> None:
    """The operator's word counts."""
    assert verdict("/v1/a/c/.", NameCheckConfig(forbidden_regexp="")) is None


def test_a_bad_pattern_is_refused_at_start() -> None:
    """Not at the first request."""
    with pytest.raises(Refused, match="forbidden_regexp"):
        parse(NameCheckConfig, {"forbidden_regexp": "("})
