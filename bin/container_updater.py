"""apus-container-updater CONF [--once]: tell accounts what their containers hold.

CONF, section [container-updater] ──▶ ContainerUpdater ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..container.updater import ContainerUpdater


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(ContainerUpdater, "container-updater", argv)


if __name__ == "__main__":
    sys.exit(main())
