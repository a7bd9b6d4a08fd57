"""`apus-object-replicator CONF [--once [-d DEVICES] [-p PARTITIONS] [-i POLICIES]]`."""

from ..common import concurrency

concurrency.patch()

import argparse
import sys
from collections.abc import Mapping, Sequence

from ..common.daemon import run
from ..replicator.object import SECTION, ObjectReplicator, replicator

OVERRIDES = ("devices", "partitions", "policies")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; what only a part is asked of is taken from the command line into its options."""
    parser = argparse.ArgumentParser(add_help=False)
    for name, letter in zip(OVERRIDES, "dpi", strict=True):
        parser.add_argument(f"-{letter}", f"--{name}", default="")
    chosen, rest = parser.parse_known_args(sys.argv[1:] if argv is None else argv)

    def factory(options: Mapping[str, str]) -> ObjectReplicator:
        overrides = {f"override_{name}": getattr(chosen, name) for name in OVERRIDES}
        return replicator({**options, **overrides})

    return run(factory, SECTION, rest)


if __name__ == "__main__":
    sys.exit(main())
