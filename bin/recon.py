"""`apus-recon [account] [container] [object] OPTIONS`: how the cluster's storage servers are.

    rings ──▶ every server's /recon ──▶ one summary a check, for people or with --json for programs

Options and lines are those of swift-recon, and so are the servers' answers: either tool asks either cluster.
"""

from ..common import concurrency

concurrency.patch()

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.errors import ApusError, Refused
from ..ring.table import Ring
from .scouting.checks import ALL, CHECKS, Check, Home, clock
from .scouting.figures import RULE
from .scouting.scout import Scout, hosts

FLAGS = (
    (("--async", "-a"), "async_check", "container updates that wait"),
    (("--replication", "-r"), "replication", "replication"),
    (("--auditor",), "auditor", "auditors"),
    (("--updater",), "updater", "updaters"),
    (("--expirer",), "expirer", "expirers"),
    (("--reconstruction", "-R"), "reconstruction", "reconstruction of fragments"),
    (("--sharding",), "sharding", "sharding of containers"),
    (("--copies",), "copies", "objects with fewer copies than they should have (apus-survey)"),
    (("--unmounted", "-u"), "unmounted", "devices that are not mounted"),
    (("--diskusage", "-d"), "diskusage", "how full devices are"),
    (("--loadstats", "-l"), "loadstats", "load averages"),
    (("--quarantined", "-q"), "quarantined", "what is in quarantine"),
    (("--validate-servers",), "validate_servers", "whether ring and servers agree"),
    (("--md5",), "md5", "checksums of rings and swift.conf"),
    (("--sockstat",), "sockstat", "sockets"),
    (("--driveaudit",), "driveaudit", "errors of drives"),
    (("--time", "-T"), "time", "clocks"),
    (("--swift-versions",), "swift_versions", "versions"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, sum up, print."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not set(options.server_type) <= set(ALL):
        print("Invalid Server Type", file=sys.stderr)
        parser.print_help()
        return 1
    chosen = [check for check in CHECKS if options.all or getattr(options, check.option)]
    if not chosen:
        parser.print_help()
        return 0
    report: dict[str, Any] = {}
    try:
        for kind in options.server_type or ["object"]:
            report[kind] = _reconnoitre(kind, chosen, options)
    except (ApusError, OSError) as problem:
        print(f"apus-recon: {problem}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apus-recon", description="Ask storage servers how they are.")
    parser.add_argument("server_type", nargs="*", help=f"{', '.join(ALL)}; object where none is named")
    for names, destination, what in FLAGS:
        parser.add_argument(*names, dest=destination, action="store_true", help=f"ask about {what}")
    parser.add_argument("--all", action="store_true", help="ask about all of it")
    parser.add_argument("--verbose", "-v", action="store_true", help="print each answer")
    parser.add_argument("--suppress", action="store_true", help="do not tell of hosts that do not answer")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--human-readable", action="store_true", help="print sizes with units")
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds that clocks may differ")
    parser.add_argument("--top", type=int, default=0, metavar="COUNT", help="name the fullest devices")
    parser.add_argument("--lowest", type=int, default=0, metavar="COUNT", help="name the emptiest devices")
    parser.add_argument("--region", type=int, help="only servers of this region")
    parser.add_argument("--zone", "-z", type=int, help="only servers of this zone")
    parser.add_argument("--timeout", "-t", type=float, default=5.0, help="seconds to wait for an answer")
    parser.add_argument("--swiftdir", default=DEFAULT_DIRECTORY, help="folder of swift.conf and the rings")
    parser.add_argument("--policy", "-p", help="only servers of this storage policy, by name or index")
    return parser


def _reconnoitre(kind: str, chosen: Sequence[Check], options: argparse.Namespace) -> dict[str, Any]:
    folder = Path(options.swiftdir)
    rings = [Ring.load(folder / f"{name}.ring.gz") for name in _ring_names(kind, options)]
    addresses = hosts(rings, region=options.region, zone=options.zone)
    say = _silently if options.json else print
    say(f"--> Starting reconnaissance on {len(addresses)} hosts ({kind})")
    say(RULE)
    found: dict[str, Any] = {"hosts": len(addresses), "checks": {}}
    home = _home(kind, folder, options)
    for check in chosen:
        if kind not in check.kinds:
            continue
        scout = Scout(options.timeout, verbose=options.verbose, suppress=options.suppress)
        say(f"[{clock(time.time())}] {check.title}")
        answers = scout.ask(check, kind, addresses)
        findings = check.tell(answers, home)
        for line in (*scout.lines, *findings.lines, RULE):
            say(line)
        found["checks"][check.path or check.option] = {**findings.data, "answered": len(answers)}
    return found


def _silently(line: str) -> None:
    del line


def _home(kind: str, folder: Path, options: argparse.Namespace) -> Home:
    return Home(
        kind=kind,
        now=time.time(),
        rings={path.name: _md5(path) for path in folder.glob("*.ring.gz")},
        conf=_md5(folder / "swift.conf"),
        top=options.top,
        lowest=options.lowest,
        human_readable=options.human_readable,
        jitter=abs(options.jitter),
    )


def _ring_names(kind: str, options: argparse.Namespace) -> list[str]:
    if kind != "object":
        return [kind]
    policies = ClusterConf.load(options.swiftdir).policies
    wanted = options.policy
    if wanted is None:
        return [policy.ring_name for policy in policies.all]
    policy = policies.by_index(int(wanted)) if wanted.isdecimal() else policies.by_name(wanted)
    if policy is None:
        raise Refused(f"Invalid Storage Policy: {wanted}")
    return [policy.ring_name]


def _md5(path: Path) -> str | None:
    try:
        return hashlib.md5(path.read_bytes()).hexdigest()
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())
