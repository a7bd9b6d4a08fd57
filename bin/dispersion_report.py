"""`apus-dispersion-report [options] [CONF]`: how many copies of the sample are where they belong.

    listing of the sample ──▶ HEAD of every copy on every primary ──▶ Report

The sample is that of `apus-dispersion-populate`, or stock Swift's tool.
"""

from ..common import concurrency

concurrency.patch()

import argparse
import json
import sys
import time
from collections.abc import Sequence

from ..common.errors import ApusError, Refused
from ..ring.device import Device
from ..ring.table import Ring
from .dispersal.cluster import DEFAULT_CONF, Site
from .dispersal.sample import Report


def main(argv: Sequence[str] | None = None) -> int:
    """Report on the sample."""
    options = _parser().parse_args(argv)
    try:
        site = Site.load(options.conf, options.policy_name, _overrides(options))
        if not (site.config.container_report or site.config.object_report):
            raise Refused("Neither container or object report is set to run")
        figures = _reports(site, options)
    except (ApusError, OSError) as problem:
        print(f"apus-dispersion-report: {problem}", file=sys.stderr)
        return 1
    if site.config.dump_json:
        print(json.dumps(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apus-dispersion-report", description=__doc__.split("\n")[0])
    parser.add_argument("conf", nargs="?", default=DEFAULT_CONF, help=f"defaults to {DEFAULT_CONF}")
    parser.add_argument("-j", "--dump-json", action="store_true", help="print JSON")
    parser.add_argument("-d", "--debug", action="store_true", help="name every copy that is missing")
    parser.add_argument("-p", "--partitions", action="store_true", help="name partitions that miss copies")
    parser.add_argument("--container-only", action="store_true", help="only containers")
    parser.add_argument("--object-only", action="store_true", help="only objects")
    parser.add_argument("--insecure", action="store_true", help="do not check certificates")
    parser.add_argument("-P", "--policy-name", help="storage policy")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, str]:
    chosen = {
        "dump_json": ("yes", options.dump_json),
        "container_report": ("no", options.object_only),
        "object_report": ("no", options.container_only),
        "keystone_api_insecure": ("yes", options.insecure),
    }
    return {name: value for name, (value, given) in chosen.items() if given}


def _reports(site: Site, options: argparse.Namespace) -> dict[str, object]:
    if not site.config.dump_json:
        print(f"Using storage policy: {site.policy.name} ")
    figures: dict[str, object] = {}
    if site.config.container_report:
        listed = site.client(
            lambda client: client.get_account(prefix=f"dispersion_{site.policy.index}", full_listing=True)[1]
        )
        ring = site.ring("container")
        figures["container"] = _report(site, options, "container", ring, [(each["name"],) for each in listed])
    if site.config.object_report:
        container = f"dispersion_objects_{site.policy.index}"
        listed = site.client(
            lambda client: client.get_container(container, prefix="dispersion_", full_listing=True)[1]
        )
        ring = site.ring(site.policy.ring_name)
        names = [(container, each["name"]) for each in listed]
        figures["object"] = _report(site, options, "object", ring, names)
    return figures


def _report(
    site: Site, options: argparse.Namespace, what: str, ring: Ring, names: Sequence[tuple[str, ...]]
) -> dict[str, float | int] | None:
    if not names:
        print(f"No {what}s to query. Has apus-dispersion-populate been run?", file=sys.stderr)
        return None
    began = time.monotonic()
    sample = {site.partition(ring, *each): each for each in reversed(names)}
    report = Report(what, int(ring.replica_count), ring.partition_count, overlapping=len(names) - len(sample))

    def ask(partition: str) -> tuple[int, int]:
        number = int(partition)
        devices = ring.primaries(number)
        statuses = {device: site.head(device, number, *sample[number]) for device in devices}
        found = [device for device, status in statuses.items() if 200 <= status < 300]
        _complain(options, what, number, statuses, len(devices) - len(found))
        return len(found), len(devices)

    for found, expected in site.each(ask, map(str, sample)):
        report.add(found=found, expected=expected)
    if not site.config.dump_json:
        print("\n".join(report.lines(time.monotonic() - began)))
    return report.as_json()


def _complain(
    options: argparse.Namespace, what: str, partition: int, statuses: dict[Device, int], missing: int
) -> None:
    for device, status in statuses.items():
        where = f"{device.ip}:{device.port}/{device.device}"
        if status == 507:
            print(f"ERROR: {where} is unmounted: its copies count as missing", file=sys.stderr)
        elif status == 404 and options.debug:
            print(f"ERROR: {where} returned a 404", file=sys.stderr)
        elif status != 404 and not 200 <= status < 300:
            answer = status or "nothing"
            print(f"ERROR: {where} answers {answer} for partition {partition}", file=sys.stderr)
    if missing and options.partitions:
        copies = "copy" if missing == 1 else "copies"
        print(f"# {what.title()} partition {partition} missing {missing} {copies}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
