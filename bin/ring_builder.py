"""apus-ring-builder: what swift-ring-builder does, in the same words, on the same files."""

from __future__ import annotations

import sys

from ..ring.console.program import run


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 warning, 2 error."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
