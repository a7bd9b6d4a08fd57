"""apus-guest-image FILE: make the tiny guest's disk, from Debian packages only.

A kernel for clouds and busybox: it boots in seconds without KVM, takes an address by DHCP, reads its
metadata, says on
its serial console that it is there, and counts its starts in a file on its disk.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..common.errors import ApusError
from .guest.image import SIZE_MIB, build


def main(argv: list[str] | None = None) -> int:
    """Build the image; return the exit code."""
    parser = argparse.ArgumentParser(prog="apus-guest-image", description=__doc__)
    parser.add_argument("file", type=Path, help="where to write the raw image")
    parser.add_argument("--size", type=int, default=SIZE_MIB, metavar="MIB", help="of the disk")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        build(arguments.file, arguments.size)
    except ApusError as problem:
        print(f"apus-guest-image: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
