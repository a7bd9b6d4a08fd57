"""The house style that a machine can check, checked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("common", "ring", "account", "container", "object", "replicator", "proxy", "compute", "bin")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "test").rglob("test_*.py"))
BANNED_NAMES = {"utils", "helpers", "base", "manager", "misc", "util", "helper", "common_utils"}
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
PICKLE_READERS = {"common/restricted_pickle.py"}
SPEAKS_OF_ELSEWHERE = re.compile(r"/work/|/tmp/apus|\bAI agent|\bsub-?agent|\bLLM\b", re.IGNORECASE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_keeps_the_house_style(path: Path) -> None:
    """Says what it is for, stays within its walls, is named by a noun, names no library above its floor."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    name = name_of(path)
    assert ast.get_docstring(tree), f"{name} does not say what it is for"
    assert path.stem not in BANNED_NAMES, f"{name}: name it by a noun of the trade"
    assert len(text.splitlines()) <= FILE_LINES_MAX, f"{name} is longer than {FILE_LINES_MAX} lines"
    for function in functions(tree):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= FUNCTION_LINES_MAX, f"{name}: {function.name} has {lines} lines"
    roots = {module.split(".")[0] for module in imported(tree)}
    if not name.startswith("common/"):
        assert not roots & {"eventlet", "greenlet"}, f"{name} names the hub; only common/ does"
    if name not in PICKLE_READERS:
        assert "pickle" not in roots, f"{name} names pickle; use common.restricted_pickle"
    assert "apus" not in roots, f"{name}: inside the house imports are relative"
    assert not SPEAKS_OF_ELSEWHERE.search(text), f"{name} speaks of something that is not the project"


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in ast.walk(handler.type)
    )


def passes_it_on(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_broad_except_is_rare_and_explained(path: Path) -> None:
    """`except Exception` raises again, or is marked with the reason why it may not."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not passes_it_on(node):
            line = lines[node.lineno - 1]
            assert re.search(r"noqa: BLE001 - \w+", line), f"{name_of(path)}:{node.lineno} gives no reason"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_states_its_law(path: Path) -> None:
    """Every test function's docstring is the law it checks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [
        function.name
        for function in functions(tree)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent, f"{name_of(path)}: no law stated by {silent}"
