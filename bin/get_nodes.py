"""apus-get-nodes: which devices a name or a partition is on, and how to look there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import unquote

from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.errors import ApusError, Refused
from ..ring.console.locations import Target, described, folder_of
from ..ring.table import Ring

RING_SUFFIX = ".ring.gz"
EPILOG = """The ring is a file, or the one of the policy named by -P.
ACCOUNT, CONTAINER and OBJECT may also be one argument with slashes between them."""


def main() -> None:
    """Print the places and leave with 0, or say what is wrong and leave with 1."""
    try:
        print("\n".join(_lines(_parser().parse_intermixed_args())))
    except (ApusError, OSError) as error:
        sys.exit(f"ERROR: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apus-get-nodes", description=__doc__, epilog=EPILOG)
    parser.add_argument("words", nargs="*", metavar="[RING.ring.gz] ACCOUNT [CONTAINER [OBJECT]]")
    parser.add_argument("-a", "--all", action="store_true", help="show every handoff")
    parser.add_argument("-p", "--partition", type=int, help="show this partition's devices")
    parser.add_argument("-P", "--policy-name", help="use the object ring of this storage policy")
    parser.add_argument("-d", "--swift-dir", default=DEFAULT_DIRECTORY, help="where swift.conf and rings are")
    parser.add_argument("-Q", "--quoted", action="store_true", help="the names are percent-encoded")
    return parser


def _lines(options: argparse.Namespace) -> list[str]:
    words = list(options.words)
    path = (
        Path(words.pop(0)) if words and words[0].endswith(RING_SUFFIX) and not options.policy_name else None
    )
    names = _names(words, quoted=options.quoted)
    if path is None and not options.policy_name:
        raise Refused("name a ring file, or a policy with -P")
    if not names and options.partition is None:
        raise Refused("name an account, container or object, or a partition with -p")
    policy_index = None
    conf = ClusterConf.load(options.swift_dir) if names or path is None else None
    if path is None:
        assert conf is not None
        policy = conf.policies.by_name(options.policy_name)
        if policy is None:
            raise Refused(f"there is no policy named {options.policy_name!r}")
        stem = policy.ring_name if len(names) in (0, 3) else ("account", "container")[len(names) - 1]
        path = Path(options.swift_dir) / f"{stem}{RING_SUFFIX}"
        policy_index = policy.index if len(names) in (0, 3) else None
    ring = Ring.load(path)
    ring_name = path.name.removesuffix(RING_SUFFIX)
    if len(names) == 3 and ring_name.startswith("object-"):
        policy_index = int(ring_name.removeprefix("object-"))
    path_hash = conf.salt.path_hash(*names) if conf and names and options.partition is None else None
    partition = ring.partition(path_hash) if path_hash else options.partition
    if not 0 <= partition < ring.partition_count:
        raise Refused(f"partition {partition} is not among {ring.partition_count}")
    target = Target(names, path_hash, partition, folder_of(ring_name, names), policy_index)
    return list(described(ring, target, all_handoffs=options.all))


def _names(words: list[str], *, quoted: bool) -> tuple[str, ...]:
    if quoted:
        words = [unquote(word) for word in words]
    if len(words) == 1:
        words = words[0].strip("/").split("/", 2)
    if len(words) > 3:
        raise Refused("at most an account, a container and an object can be named")
    return tuple(words)


if __name__ == "__main__":
    main()
