"""`apus-dispersion-populate [options] [CONF]`: puts a sample of containers and objects all over the ring.

    one name for each of so many partitions ──▶ PUT through the proxy

Run once; `apus-dispersion-report` then tells how many copies of the sample are where they belong. For a
count of everything, not a sample, there is `apus-survey`.
"""

from ..common import concurrency

concurrency.patch()

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..common.errors import ApusError, Refused
from .dispersal.cluster import DEFAULT_CONF, Site
from .dispersal.sample import names_for


def main(argv: Sequence[str] | None = None) -> int:
    """Make the sample."""
    options = _parser().parse_args(argv)
    try:
        site = Site.load(options.conf, options.policy_name, _overrides(options))
        if not (site.config.container_populate or site.config.object_populate):
            raise Refused("Neither container or object populate is set to run")
        print(f"Using storage policy: {site.policy.name} ")
        if site.config.container_populate:
            _containers(site, options)
        if site.config.object_populate:
            _objects(site, options)
    except (ApusError, OSError) as problem:
        print(f"apus-dispersion-populate: {problem}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apus-dispersion-populate", description=__doc__.split("\n")[0])
    parser.add_argument("conf", nargs="?", default=DEFAULT_CONF, help=f"defaults to {DEFAULT_CONF}")
    parser.add_argument("--container-only", action="store_true", help="only containers")
    parser.add_argument("--object-only", action="store_true", help="only objects")
    parser.add_argument("--container-suffix-start", type=int, default=0, help="number of the first name")
    parser.add_argument("--object-suffix-start", type=int, default=0, help="number of the first name")
    parser.add_argument("--insecure", action="store_true", help="do not check certificates")
    parser.add_argument("--no-overlap", action="store_true", help="only partitions not covered yet")
    parser.add_argument("-P", "--policy-name", help="storage policy")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, str]:
    chosen = {
        "container_populate": options.object_only,
        "object_populate": options.container_only,
    }
    overrides = {name: "no" for name, off in chosen.items() if off}
    return {**overrides, "keystone_api_insecure": "yes"} if options.insecure else overrides


def _containers(site: Site, options: argparse.Namespace) -> None:
    ring = site.ring("container")
    prefix = f"dispersion_{site.policy.index}"
    covered = set()
    if options.no_overlap:
        listed = site.client(lambda client: client.get_account(prefix=prefix, full_listing=True)[1])
        covered = {site.partition(ring, entry["name"]) for entry in listed}
    names = names_for(
        lambda number: f"{prefix}_{number}",
        lambda name: site.partition(ring, name),
        partition_count=ring.partition_count,
        coverage_percent=site.config.dispersion_coverage,
        first=options.container_suffix_start,
        covered=covered,
    )
    began = time.monotonic()
    made = site.each(lambda name: site.client(partial(_put_container, site, name)), names)
    print(f"Created {len(made)} containers for dispersion reporting, {round(time.monotonic() - began)}s")


def _objects(site: Site, options: argparse.Namespace) -> None:
    ring = site.ring(site.policy.ring_name)
    container = f"dispersion_objects_{site.policy.index}"
    site.client(partial(_put_container, site, container))
    covered = set()
    if options.no_overlap:
        listed = site.client(
            lambda client: client.get_container(container, prefix="dispersion_", full_listing=True)[1]
        )
        covered = {site.partition(ring, container, entry["name"]) for entry in listed}
    names = names_for(
        lambda number: f"dispersion_{number}",
        lambda name: site.partition(ring, container, name),
        partition_count=ring.partition_count,
        coverage_percent=site.config.dispersion_coverage,
        first=options.object_suffix_start,
        covered=covered,
    )
    began = time.monotonic()
    made = site.each(lambda name: site.client(partial(_put_object, container, name)), names)
    print(f"Created {len(made)} objects for dispersion reporting, {round(time.monotonic() - began)}s")


def _put_container(site: Site, name: str, client: Any) -> None:
    client.put_container(name, headers={"X-Storage-Policy": site.policy.name})


def _put_object(container: str, name: str, client: Any) -> None:
    client.put_object(container, name, contents=name, headers={"X-Object-Meta-Dispersion": name})


if __name__ == "__main__":
    sys.exit(main())
