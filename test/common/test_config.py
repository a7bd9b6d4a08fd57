"""Settings are refused at start, by name and with what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from apus.common.config import parse, read_ini, sample, setting, true_value
from apus.common.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Fruit:
    """A service's settings."""

    count: int = setting(3, help="How many.", minimum=1, maximum=10)
    ratio: float = setting(0.5, help="How ripe.")
    sweet: bool = setting(True, help="Whether sweet.")
    kinds: tuple[str, ...] = setting(("apple", "pear"), help="Which kinds.")
    colour: str = setting("red", help="Which colour.", choices=("red", "green"))
    limit: int | None = setting(None, help="At most this many; empty for any.")


def test_options_become_typed_fields() -> None:
    """Text becomes what the field's type says; unknown options are another reader's."""
    fruit = parse(
        Fruit,
        {"count": "5", "ratio": "0.25", "sweet": "No", "kinds": "fig,  plum", "limit": "7", "other": "x"},
    )
    assert fruit == Fruit(count=5, ratio=0.25, sweet=False, kinds=("fig", "plum"), limit=7)
    assert parse(Fruit, {"limit": ""}).limit is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": "many"}, "count = 'many': expected a whole number"),
        ({"count": "0"}, "count = 0: must be at least 1"),
        ({"count": "11"}, "count = 11: must be at most 10"),
        ({"sweet": "maybe"}, "sweet = 'maybe': expected true or false"),
        ({"colour": "blue"}, "colour = 'blue': expected one of red, green"),
    ],
)
def test_a_bad_value_is_named(options: dict[str, str], says: str) -> None:
    """The refusal names the option, the value and what would be right."""
    with pytest.raises(Refused) as refusal:
        parse(Fruit, options)
    assert str(refusal.value) == says


def test_a_sample_is_the_manual() -> None:
    """The sample holds every option at its default, with its help above it."""
    text = sample(Fruit, "fruit")
    assert text.startswith("[fruit]\n#\n# How many.\n# count = 3\n")
    assert "# kinds = apple, pear\n" in text
    assert "# limit =\n" in text


def test_defaults_are_inherited(tmp_path: Path) -> None:
    """[DEFAULT] is folded into each section; a missing file is refused by name."""
    path = tmp_path / "a.conf"
    path.write_text("[DEFAULT]\nuser = swift\n[app]\nWorkers = 2 %d\n")
    assert read_ini(path)["app"] == {"user": "swift", "Workers": "2 %d"}
    with pytest.raises(Refused, match=r"cannot read .*b\.conf"):
        read_ini(tmp_path / "b.conf")
    path.write_text("no section")
    with pytest.raises(Refused, match="not a configuration file"):
        read_ini(path)


def test_yes_has_many_spellings() -> None:
    """Headers and options say yes in six ways, in any case."""
    assert all(true_value(text) for text in ("true", "1", "YES", " on ", "t", "Y"))
    assert not any(true_value(text) for text in ("", "0", "false", "2", "off"))
