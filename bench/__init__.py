"""Measurements of Apus beside its peers; `python -m bench --help`.

The parts that run clusters use the tests' own (`test/support`), so that there is one way to bring one up.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "support"))
