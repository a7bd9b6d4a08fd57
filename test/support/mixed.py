"""The functional tests, run as a whole against a cluster of mixed programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clusters import ROOT, AllInOne

FULL = os.environ.get("APUS_INTEROP") == "full"
SMALL = (
    "test_objects.py",
    "test_ranges.py",
    "test_listings.py",
    "test_large_objects.py",
    "test_versions.py",
    "test_block_layer.py",
)


def functional_tests(cluster: AllInOne, programs: str, *only: Path) -> None:
    """Run the very same functional tests against the cluster; all of them where APUS_INTEROP=full."""
    folder = ROOT / "test" / "functional"
    chosen = list(only) or ([folder] if FULL else [folder / name for name in SMALL])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *map(str, chosen)],
        cwd=ROOT,
        env={**os.environ, "APUS_TEST_ENDPOINT": cluster.store.endpoint, "APUS_TEST_PROGRAMS": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{programs}: {done.stdout[-6000:]}{done.stderr[-2000:]}"
