"""`apus-survey`: exactly how many objects and partitions lack copies, have too many, or lie elsewhere.

    swift.conf, rings ──▶ survey() ──▶ a table for people, or JSON
                                   ──▶ exit code: 0 settled, 1 not settled, 2 not exact

With `--device ID=PATH` devices are read from folders of this machine; otherwise every object server in
the ring is asked. With `--recon-cache-path` the figures are left where /recon and /metrics of this node's
servers tell them, and with `--every` they stay live: counts begin so many seconds apart.
"""

from ..common import concurrency

concurrency.patch()

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..common import recon_cache, timestamp
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.errors import ApusError, Refused
from ..common.http.client import Pool, PoolConfig
from ..common.policies import Policy
from ..replicator.copies import COUNTED
from ..replicator.peer import PeerClient
from ..replicator.plan import reclaim_horizon
from ..replicator.survey import Asked, PolicySurvey, Source, Walked, survey
from ..ring.table import Ring

SETTLED, UNSETTLED, INEXACT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Survey and report."""
    arguments = _parser().parse_args(argv)
    while True:
        begun = time.monotonic()
        verdict = _survey_once(arguments)
        if not arguments.every:
            return verdict
        time.sleep(max(0.0, arguments.every - (time.monotonic() - begun)))


def _survey_once(arguments: argparse.Namespace) -> int:
    begun = time.time()
    try:
        cluster = ClusterConf.load(arguments.swift_dir)
        found = [
            survey(
                Ring.load(Path(arguments.swift_dir) / f"{policy.ring_name}.ring.gz"),
                policy,
                _source(arguments, cluster),
                horizon=reclaim_horizon(timestamp.now(), arguments.reclaim_age),
            )
            for policy in _policies(cluster, arguments.policy)
        ]
        if arguments.recon_cache_path:
            _leave(found, arguments.recon_cache_path, begun)
    except (ApusError, OSError) as problem:
        print(f"apus-survey: {problem}", file=sys.stderr)
        return INEXACT
    if arguments.json:
        print(json.dumps({"policies": [each.as_json(arguments.shortages) for each in found]}, indent=2))
    else:
        for each in found:
            _tell(each, arguments.shortages)
    if not all(each.exact for each in found):
        return INEXACT
    return SETTLED if all(each.settled for each in found) else UNSETTLED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apus-survey", description="Count every copy of every object.")
    parser.add_argument(
        "--swift-dir", "--swiftdir", default=DEFAULT_DIRECTORY, help="folder of swift.conf and rings"
    )
    parser.add_argument("-P", "--policy", help="only this storage policy, by name or index")
    parser.add_argument(
        "--device", action="append", default=[], metavar="ID=PATH", help="read this device from a folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--shortages", type=int, default=20, help="how many short objects to name")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for each answer")
    parser.add_argument("--reclaim-age", type=float, default=604800.0, help="as the object servers have it")
    parser.add_argument("--recon-cache-path", metavar="FOLDER", help="leave the figures there for /recon")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="count again and again")
    return parser


def _leave(found: Sequence[PolicySurvey], folder: str, begun: float) -> None:
    """Leave the figures for this node's servers to tell, in the place of the earlier ones."""
    recon_cache.leave(folder, "survey", {"survey_policies": None})
    recon_cache.leave(
        folder,
        "survey",
        {
            "survey_policies": {str(each.policy.index): each.as_json(0) for each in found},
            "survey_time": time.time() - begun,
            "survey_last": time.time(),
        },
    )


def _policies(cluster: ClusterConf, wanted: str | None) -> list[Policy]:
    if wanted is None:
        return [policy for policy in cluster.policies.all if policy.kind == "replication"]
    policy = (
        cluster.policies.by_index(int(wanted)) if wanted.isdecimal() else cluster.policies.by_name(wanted)
    )
    if policy is None or policy.kind != "replication":
        raise Refused(f"there is no replicated storage policy {wanted}")
    return [policy]


def _source(arguments: argparse.Namespace, cluster: ClusterConf) -> Source:
    if not arguments.device:
        pool = Pool(PoolConfig(response_timeout_seconds=arguments.timeout))
        return Asked(PeerClient(pool=pool, secret=cluster.secret, http_timeout_seconds=arguments.timeout))
    paths = {}
    for pair in arguments.device:
        number, equals, path = pair.partition("=")
        if not equals or not number.isdecimal():
            raise Refused(f"--device {pair}: expected ID=PATH")
        paths[int(number)] = path
    return Walked(paths)


def _tell(found: PolicySurvey, shortages_max: int) -> None:
    print(f"policy {found.policy.index} ({found.policy.name}), {found.devices} devices")
    for name in COUNTED:
        print(f"  {name.replace('_', ' '):24} {getattr(found.tally, name):>12}")
    for held, number in sorted(found.tally.copies.items()):
        print(f"  objects with {held} {'copy' if held == 1 else 'copies':<9} {number:>12}")
    for lack in found.tally.shortages[:shortages_max]:
        print(f"  {lack.hash} in partition {lack.partition}: {lack.copies} of {lack.expected}")
    for device in found.silent:
        print(f"  no answer from {device}")
    verdict = "settled" if found.settled else "not settled"
    print(f"  {verdict}" if found.exact else f"  {verdict}, and this count is a bound")


if __name__ == "__main__":
    sys.exit(main())
