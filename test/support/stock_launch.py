"""Run a program of stock OpenStack Swift with a swift.conf of our own choice.

    python stock_launch.py SWIFT_CONF PROGRAM ARGUMENT… ──▶ the program, as if /etc/swift/swift.conf were SWIFT_CONF

`swift_dir` in a conf moves rings, but hash prefix, policies and limits come from /etc/swift at import time.
Runs in stock Swift's virtual environment; nothing of Apus is imported here.
"""

from __future__ import annotations

import importlib
import runpy
import sys


def main() -> None:
    """Load the cluster's facts from the given file, then be the program."""
    conf, program = sys.argv[1:3]
    utils = importlib.import_module("swift.common.utils")
    setattr(utils, "SWIFT_CONF_FILE", conf)  # noqa: B010 - no type checker knows that module
    utils.validate_hash_conf()
    importlib.import_module("swift.common.constraints").reload_constraints()
    importlib.import_module("swift.common.storage_policy").reload_storage_policies()
    sys.argv = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
