"""Stock Swift's own functional tests against a store of ours: what `make stock-functional` does.

    all-in-one cluster, two policies ─┬─▶ a front with tempauth ─┬─▶ stock's test/functional ─┬─▶ closing lines
                                      │                          └─▶ … what it has of S3 ─────┤
                                      └─▶ a front with Keystone ───▶ stock's test/functional ─┤
                                                               stock_differences.py ──────────┘

    run.py [tempauth] [keystone] [s3] [amazon] [WORDS FOR PYTEST]: fewer than all, other tests than all, as in `-k symlink`

The suite is the source that .ci/install stock-functional unpacked, run unmodified by stock's virtual environment,
once for each way to log in, and its tests of S3, all at the same time: each has accounts of its own. Exit code 0
where nothing failed but known differences. Logs are kept, and their paths printed; the cluster and its folder are
gone afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from itertools import takewhile
from pathlib import Path

import keystone
from clusters import ROOT, AllInOne, free_port_block
from fronts import front, with_filters
from keystone_store import Front, keystone_conf, password_of
from second_policy import add_policy
from stock_differences import differences

SOURCE = Path(os.environ.get("APUS_STOCK_SOURCE") or ROOT / ".stamps" / "stock-source")
VENV = Path(os.environ.get("APUS_STOCK_VENV") or ROOT / ".venv-stock")
STORAGE_DOMAIN = "example.com"
REGION = "us-east-1"
TEMPAUTH = """reseller_prefix = AUTH, SERVICE
SERVICE_require_group = service
user_test_tester6 = testing6 .reseller_admin
user_s3_tester = testing .admin
user_s3_tester2 = testing2 .admin
user_s3_tester3 = testing3
user_amazon_tester = testing .admin
user_amazon_tester3 = testing3
user_amazon2_tester2 = testing2 .admin"""
PEOPLE = (
    # What the suite calls them, their account, their role in Keystone, their domain there.
    ("", "test", "admin", "Default"),
    ("2", "test2", "admin", "Default"),
    ("3", "test", "swiftoperator", "Default"),  # A role that our conf gives no right.
    ("4", "test4", "admin", "test-domain"),
    ("5", "test5", "service", "Default"),
    ("6", "test", "ResellerAdmin", "Default"),
)

SUITES = {
    "tempauth": ("test/functional", "--ignore=test/functional/s3api"),
    "keystone": ("test/functional", "--ignore=test/functional/s3api"),
    "s3": ("test/functional/s3api",),
    "amazon": ("test/s3api",),
}
"""What pytest is told to run; the last one holds to Amazon, and can be aimed at it."""


class Outcome(Enum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


def main(words: list[str]) -> int:
    """Run it all; return the exit code."""
    chosen = list(takewhile(SUITES.__contains__, words)) or list(SUITES)
    words = words[len(chosen) :] if words[: len(chosen)] == chosen else words
    work = Path(tempfile.mkdtemp(prefix="apus-stock-functional-"))
    with tempfile.TemporaryDirectory(prefix="apus-stock-functional-store-") as home:
        cluster = AllInOne(Path(home), free_port_block(100))
        try:
            cluster.up()
            add_policy(cluster, "silver")
            conf = work / "proxy-server.conf"
            plain = (Path(home) / "proxy" / "etc" / "proxy-server.conf").read_text()
            port = cluster.port + 90
            remapping = {"domain_remap": {"storage_domain": STORAGE_DOMAIN}}
            conf.write_text(with_filters(plain, remapping, before="etag_quoter", port=port))
            with (
                front(conf.read_text().replace("reseller_prefix = AUTH", TEMPAUTH), work, port=port) as store,
                _keystone_front(conf.read_text(), work, port=port + 1) as believer,
            ):
                settings: dict[str, Callable[[], dict[str, str]]] = {
                    "tempauth": lambda: _tempauth_settings(store.endpoint),
                    "keystone": lambda: _keystone_settings(believer),
                    "s3": lambda: _s3_settings(store.endpoint, "s3", second="s3"),
                    "amazon": lambda: _s3_settings(store.endpoint, "amazon", second="amazon2"),
                }
                for suite in [_start(name, settings[name](), words, work) for name in chosen]:
                    suite.wait()
        finally:
            cluster.down()
    return max([_closing_lines(name, work) for name in chosen])


@contextmanager
def _keystone_front(conf: str, work: Path, *, port: int) -> Iterator[Front]:
    """A Keystone, and a proxy that leaves it to us which roles a service token needs, as the suite expects."""
    endpoint = f"http://127.0.0.1:{port}"
    with keystone.running(port + 1, endpoint) as identity:
        conf = keystone_conf(conf, port=port, identity=identity)
        conf = conf.replace("service_token_roles_required = true", "service_token_roles_required = false")
        with front(conf, work, port=port):
            yield Front(endpoint, identity)


def _tempauth_settings(endpoint: str) -> dict[str, str]:
    """Return what the suite must know of the front with tempauth."""
    settings = {"auth_uri": f"{endpoint}/auth/v1.0"}
    for number, account, _, domain in PEOPLE:
        if domain == "Default":
            settings |= {
                f"account{number}": account,
                f"username{number}": f"tester{number}",
                f"password{number}": f"testing{number}",
            }
    return settings


def _keystone_settings(believer: Front) -> dict[str, str]:
    """Make the suite's people in Keystone; return what it must know of the front that believes Keystone."""
    settings = {"auth_uri": f"{believer.identity}/", "auth_version": "3"}
    for number, account, role, domain in PEOPLE:
        name = f"tester{number}"
        believer.person(name, role, project=account, domain=domain)
        settings |= {
            f"account{number}": account,
            f"username{number}": name,
            f"password{number}": password_of(name),
            f"domain{number}": domain,
        }
    return settings


def _s3_settings(endpoint: str, account: str, *, second: str) -> dict[str, str]:
    """Return what tests of S3 must know: two who own accounts, and one who has no right to the first's."""
    settings = {
        "auth_uri": f"{endpoint}/auth/v1.0",
        "s3_storage_url": f"{endpoint}/",
        "s3_region": REGION,
        "account": account,
        "username": "tester",
        "password": "testing",
        "endpoint": endpoint,
        "region": REGION,
        "s3_acl_tests_enabled": "true",
    }
    for number, home in (("", account), ("1", account), ("2", second), ("3", account)):
        name = f"tester{number.replace('1', '')}"
        for prefix in ("", "s3_"):
            settings[f"{prefix}access_key{number}"] = f"{home}:{name}"
            settings[f"{prefix}secret_key{number}"] = name.replace("tester", "testing")
    return settings


def _start(name: str, settings: Mapping[str, str], words: list[str], work: Path) -> subprocess.Popen[bytes]:
    """Start the suite; its log and its report will be in the work folder."""
    everywhere = {"service_prefix": "SERVICE", "collate": "C", "storage_domain": STORAGE_DOMAIN}
    conf, log = work / f"{name}.conf", work / f"{name}.log"
    lines = [f"{key} = {value}" for key, value in {**settings, **everywhere}.items()]
    conf.write_text("\n".join(("[func_test]", *lines, "[s3api_test]", *lines, "")))
    print(f"log: {log}", flush=True)
    report = f"--junit-xml={work / name}.xml"
    chosen = ("-o", "python_files=test*.py", report, *SUITES[name], *words)
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(VENV / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider", *chosen],
            cwd=SOURCE,
            env={
                **os.environ,
                "SWIFT_TEST_CONFIG_FILE": str(conf),
                "SWIFT_TEST_QUIET_BOTO_LOGS": "1",  # In debug they say all that is sent.
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=output,
            stderr=output,
        )


def _closing_lines(name: str, work: Path) -> int:
    """Print what a suite that has ended came to; return its exit code."""
    report = work / f"{name}.xml"
    if not report.exists():
        print(f"{name}: the suite did not run; its log says why")
        return 1
    outcomes = outcomes_of(report.read_text())
    failed = [test for test, outcome in outcomes.items() if outcome is Outcome.FAILED]
    known = differences(name)
    unknown = [test for test in failed if test not in known]
    for test in unknown:
        print(f"{name}: FAILED {test}")
    for test in known:
        if outcomes.get(test) is Outcome.PASSED:
            print(f"{name}: passed, and yet in stock_differences.py: {test}")
    counts = {outcome: list(outcomes.values()).count(outcome) for outcome in Outcome}
    print(
        f"{name}: {counts[Outcome.PASSED]} passed, {len(unknown)} failed, "
        f"{len(failed) - len(unknown)} differ as is known, {counts[Outcome.SKIPPED]} skipped"
    )
    return 0 if counts[Outcome.PASSED] and not unknown else 1


def outcomes_of(report: str) -> dict[str, Outcome]:
    """Return the outcome of each test in a JUnit report, as module.Class.test."""
    outcomes = {}
    for case in ET.fromstring(report).iter("testcase"):
        test = f"{case.get('classname')}.{case.get('name')}".removeprefix("test.functional.")
        tags = {child.tag for child in case}
        if tags & {"failure", "error"}:
            outcomes[test] = Outcome.FAILED
        else:
            outcomes[test] = Outcome.SKIPPED if "skipped" in tags else Outcome.PASSED
    return outcomes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
