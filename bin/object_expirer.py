"""apus-object-expirer CONF [--once]: delete objects whose time has come.

CONF, section [object-expirer] ──▶ ObjectExpirer ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..object.expirer import ObjectExpirer


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(ObjectExpirer, "object-expirer", argv)


if __name__ == "__main__":
    sys.exit(main())
