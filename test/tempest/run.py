"""Tempest's object storage tests against a store of our own: what `make tempest` does.

    all-in-one cluster + Keystone double + proxy with keystoneauth ──▶ tempest run ──▶ one closing line

    run.py [REGEX]: other tests than all about object storage, those of the API and the scenarios

Exit code 0 where nothing failed. The log's path is printed; the cluster and its folder are gone afterwards.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import keystone
from clusters import ROOT, AllInOne, free_port_block
from keystone_store import keystone_front
from second_policy import add_policy

VENV = ROOT / ".venv-tempest"
ALL = r"^tempest\.(api\.object_storage\.|scenario\.test_object_storage_)"
WORKERS = os.environ.get("TEMPEST_WORKERS", "2")
REALM, CLUSTER = "realm1", "name1"  # Tempest's own defaults.
FORMPOST = "use = egg:apus#formpost"  # Tempest signs forms by SHA-1, which is refused by default.

SETTINGS = """
[DEFAULT]
log_dir = {folder}
log_file = tempest.log
[oslo_concurrency]
lock_path = {folder}/lock
[auth]
use_dynamic_credentials = true
admin_username = admin
admin_project_name = admin
admin_password = {password}
admin_domain_name = Default
create_isolated_networks = false
[identity]
uri_v3 = {identity}
auth_version = v3
region = {region}
v3_endpoint_type = public
default_domain_id = default
[service_available]
swift = true
glance = false
cinder = false
nova = false
neutron = false
horizon = false
[object-storage]
operator_role = member
reseller_admin_role = ResellerAdmin
"""
DISCOVERY = """
[DEFAULT]
test_path={tempest}/test_discover
top_dir={tempest}
group_regex=([^\\.]*\\.)*
"""


def main(arguments: list[str]) -> int:
    """Run it all; return the exit code."""
    pattern = arguments[0] if arguments else ALL
    with tempfile.TemporaryDirectory(prefix="apus-tempest-store-") as home:
        work = Path(tempfile.mkdtemp(prefix="apus-tempest-"))
        cluster = AllInOne(Path(home), free_port_block(100))
        port = cluster.port + 90
        realms = Path(home) / "etc" / "container-sync-realms.conf"
        realms.parent.mkdir(parents=True)
        realms.write_text(f"[{REALM}]\nkey = realm-key\ncluster_{CLUSTER} = http://127.0.0.1:{port}/v1/\n")
        try:
            cluster.up()
            add_policy(cluster, "silver")  # One test is about quotas of policies.
            conf = work / "proxy-server.conf"
            plain = (Path(home) / "proxy" / "etc" / "proxy-server.conf").read_text()
            conf.write_text(plain.replace(FORMPOST, f"{FORMPOST}\nallowed_digests = sha1 sha256 sha512"))
            with keystone_front(conf, work, port=port, identity_port=port + 1) as front:
                return _run(pattern, work, front.identity)
        finally:
            cluster.down()


def _run(pattern: str, work: Path, identity: str) -> int:
    program = VENV / "bin" / "tempest"
    find = "import os, tempest; print(os.path.dirname(tempest.__file__))"
    tempest = subprocess.run(
        [str(VENV / "bin" / "python"), "-c", find], capture_output=True, text=True, check=True
    ).stdout.strip()
    settings = SETTINGS.format(
        folder=work, password=keystone.ADMIN_PASSWORD, identity=identity, region=keystone.REGION
    )
    (work / "tempest.conf").write_text(settings)
    (work / ".stestr.conf").write_text(DISCOVERY.format(tempest=tempest))
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
    subprocess.run([str(VENV / "bin" / "stestr"), "init"], cwd=work, env=environment, check=False)
    log = work / "run.log"
    command = [str(program), "run", "--config-file", str(work / "tempest.conf")]
    with log.open("w") as output:
        subprocess.run(
            [*command, "--concurrency", WORKERS, "--regex", pattern],
            cwd=work,
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        )
    text = log.read_text(errors="replace")
    for line in text.splitlines():
        if re.search(r"\.\.\. (FAILED|ERROR)$", line):
            print(line)
    passed, failed, skipped = (_total(text, word) for word in ("Passed", "Failed", "Skipped"))
    print(f"log: {log}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


def _total(text: str, word: str) -> int:
    """Return one of the totals that Tempest prints at its end."""
    found = re.findall(rf"^ - {word}: (\d+)$", text, re.MULTILINE)
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
