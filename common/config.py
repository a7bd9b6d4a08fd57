"""Settings: one frozen dataclass per service, read from an ini section and refused at start.

    [section] of a conf ──▶ parse(Settings, options) ──▶ Settings(...)   or Refused, naming the option
    Settings ──▶ sample() ──▶ the commented section of etc/*.sample

Each field is made by `setting(default, help=…)`; its help is the manual. The file format is the ini
dialect that every Swift operator knows, with `[DEFAULT]` inherited by the other sections.
"""

from __future__ import annotations

import configparser
import dataclasses
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .errors import Refused

T = TypeVar("T")
_TRUE = frozenset(("true", "1", "yes", "on", "t", "y"))
_FALSE = frozenset(("false", "0", "no", "off", "f", "n"))


def setting(
    default: T,
    *,
    help: str,  # noqa: A002 - the word that everyone looks for
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> T:
    """Declare one field of a settings dataclass; `help` becomes its line in the sample file."""
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def true_value(text: str) -> bool:
    """Whether a header or option says yes: true, 1, yes, on, t, y in any case."""
    return text.strip().lower() in _TRUE


def parse(cls: type[T], options: Mapping[str, str]) -> T:
    """Build the settings from an ini section; options that it does not know are another reader's.

    Raises:
        Refused: naming the option, what was given and what would be right.
    """
    assert dataclasses.is_dataclass(cls)
    hints = typing.get_type_hints(cls)
    values = {
        field.name: _convert(field, hints[field.name], options[field.name])
        for field in dataclasses.fields(cls)
        if field.init and field.name in options
    }
    try:
        return cls(**values)
    except ValueError as problem:
        raise Refused(str(problem)) from problem


def sample(cls: type, section: str, *, intro: str = "") -> str:
    """Return the section with every option commented out at its default and its help above it."""
    lines = [f"[{section}]"]
    if intro:
        lines += [f"# {line}" for line in textwrap.wrap(intro, 96)]
    for field in dataclasses.fields(cls):
        if "help" not in field.metadata:
            continue
        lines += ["#", *(f"# {line}" for line in textwrap.wrap(field.metadata["help"], 96))]
        lines.append(f"# {field.name} = {_written(field.default)}".rstrip())
    return "\n".join(lines) + "\n"


def read_ini(path: str | Path) -> dict[str, dict[str, str]]:
    """Return every section of the file with `[DEFAULT]` folded in (and `DEFAULT` itself).

    Raises:
        Refused: when the file is missing or is no ini file.
    """
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # option names keep their case
    try:
        with open(path, encoding="utf-8") as handle:
            parser.read_file(handle)
    except OSError as problem:
        raise Refused(f"cannot read {path}: {problem.strerror}") from problem
    except (configparser.Error, UnicodeDecodeError) as problem:
        raise Refused(f"{path} is not a configuration file: {problem}") from problem
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    sections["DEFAULT"] = dict(parser.defaults())
    return sections


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _convert(field: dataclasses.Field[Any], hint: Any, text: str) -> object:
    text = text.strip()
    converter, expected = _converter(hint)
    try:
        value = converter(text)
    except ValueError as problem:
        raise Refused(f"{field.name} = {text!r}: expected {expected}") from problem
    minimum, maximum = field.metadata.get("minimum"), field.metadata.get("maximum")
    if minimum is not None and isinstance(value, (int, float)) and value < minimum:
        raise Refused(f"{field.name} = {text}: must be at least {minimum}")
    if maximum is not None and isinstance(value, (int, float)) and value > maximum:
        raise Refused(f"{field.name} = {text}: must be at most {maximum}")
    choices = field.metadata.get("choices")
    if choices is not None and value not in choices:
        raise Refused(f"{field.name} = {text!r}: expected one of {', '.join(choices)}")
    return value


def _converter(hint: Any) -> tuple[Callable[[str], object], str]:
    if isinstance(hint, types.UnionType):
        inner = next(member for member in hint.__args__ if member is not type(None))
        convert, expected = _converter(inner)
        return (lambda text: convert(text) if text else None), expected
    if hint is bool:
        return _boolean, "true or false"
    if hint is int:
        return int, "a whole number"
    if hint is float:
        return float, "a number"
    if typing.get_origin(hint) is tuple:
        return _words, "words separated by commas"
    return str, "text"


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
