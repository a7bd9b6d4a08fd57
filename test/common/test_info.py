"""Laws of the capabilities registry."""

from __future__ import annotations

import pytest

from apus.common import info


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what filters of other tests have registered out of these."""
    monkeypatch.setattr(info, "_public", {})
    monkeypatch.setattr(info, "_admin", {})


def test_capabilities_of_a_section_add_up() -> None:
    """A filter may register in several steps."""
    info.register("tempauth", account_acls=True)
    info.register("tempauth", other=1)
    assert info.public() == {"tempauth": {"account_acls": True, "other": 1}}


def test_what_is_shown_is_a_copy() -> None:
    """No reader can change what the next one sees."""
    info.register("swift", limits={"a": 1})
    info.public()["swift"]["limits"]["a"] = 2
    assert info.public() == {"swift": {"limits": {"a": 1}}}


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        (["swift"], {"x": {}}),
        (["swift.limits"], {"swift": {"v": 1}, "x": {}}),
        (["swift.limits.a"], {"swift": {"limits": {"b": 2}, "v": 1}, "x": {}}),
        (["nothing", "swift.v.deeper", "x.y.z"], {"swift": {"limits": {"a": 1, "b": 2}, "v": 1}, "x": {}}),
    ],
)
def test_sections_can_be_hidden(hidden: list[str], shown: dict[str, object]) -> None:
    """Dots name keys inside sections; what does not exist is ignored."""
    info.register("swift", limits={"a": 1, "b": 2}, v=1)
    info.register("x")
    assert info.public(hidden) == shown


def test_administrators_see_more() -> None:
    """The admin part and the list of hidden sections are only in the admin view."""
    info.register("swift", v=1)
    info.register_admin("secrets", n=2)
    assert info.public() == {"swift": {"v": 1}}
    assert info.admin(["swift"]) == {"admin": {"secrets": {"n": 2}, "disallowed_sections": ["swift"]}}


@pytest.mark.parametrize("name", ["admin", "disallowed_sections", "with.dot"])
def test_some_names_cannot_be_used(name: str) -> None:
    """They would make the answer ambiguous."""
    with pytest.raises(ValueError):
        info.register(name, a=1)


def test_a_key_with_a_dot_is_refused() -> None:
    """It could not be hidden."""
    with pytest.raises(ValueError):
        info.register("swift", **{"a.b": 1})
