"""The list of metrics in the manual is complete."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from apus.common import metrics

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("common", "ring", "account", "container", "object", "replicator", "proxy", "compute")
ROW = re.compile(r"^\| `(apus_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
DECLARES = re.compile(
    r"\bmetrics\.(?:counter|gauge|histogram|told)\(|^\w+ = (?:counter|gauge|histogram)\(", re.MULTILINE
)


def test_every_metric_is_documented_and_exists() -> None:
    """Name, type and labels agree between doc/metrics.md and the modules that declare metrics."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if DECLARES.search(path.read_text(encoding="utf-8")):
                importlib.import_module("apus." + ".".join(path.relative_to(ROOT).with_suffix("").parts))
    declared = {
        definition.name: (definition.kind, definition.labels)
        for definition in metrics.definitions()
        if not definition.name.startswith("apus_test_")
    }
    text = (ROOT / "doc" / "metrics.md").read_text(encoding="utf-8")
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(text)
    }
    assert documented == declared
