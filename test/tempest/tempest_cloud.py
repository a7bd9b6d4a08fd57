"""A whole cloud for Tempest: an all-in-one with everything that its tests presume.

    home, port ──standing()──▶ apus-aio with APUS_SERVICES=all, a second policy, two realms, hosts that run
                               nothing, a web server with disk images ──▶ Grounds

Its confs are those that apus-aio writes, but for what is about tests: how long a password is hashed, who may be
fetched from, a signature that Tempest makes with SHA-1.
"""

from __future__ import annotations

import configparser
import functools
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import openstack
from clusters import AllInOne
from openstack.config import OpenStackConfig
from second_policy import add_policy
from tempest_conf import CLUSTER, OUTSIDE, REALM, Grounds
from tempest_hosts import carrying

MiB = 1024 * 1024
HOSTS = ("fake-1", "fake-2")
DISK_BYTES = 8 * MiB
PATIENCE_SECONDS = 120
FLAVORS = {"1": ("t1.nano", 64), "2": ("t1.micro", 128)}
"""Names and MiB of memory by id. The disks have the same size, since tests make servers of volumes of that size."""


@contextmanager
def standing(home: Path, port: int) -> Iterator[Grounds]:
    """A cloud that is up, on a hundred ports from this one; it is down afterwards."""
    cluster = AllInOne(home, port)
    web_port = port + 90
    realms = home / "etc" / "container-sync-realms.conf"
    realms.parent.mkdir(parents=True)
    realms.write_text(f"[{REALM}]\nkey = realm-key\ncluster_{CLUSTER} = http://127.0.0.1:{port}/v1/\n")
    with ExitStack() as stack:
        stack.callback(cluster.down)
        cluster.run("up", variables={"APUS_SERVICES": "all", "APUS_NODES": "4", "APUS_AGENTS": "none"})
        _amend(home, web_port)
        add_policy(cluster, "silver")  # One test is about quotas of policies.
        for number, host in enumerate(HOSTS, 1):
            stack.enter_context(_host(home, host, console_port=web_port + number))
        stack.enter_context(_carriers(home))
        stack.enter_context(_web_server(home / "web", web_port))
        yield _furnished(home, f"http://127.0.0.1:{web_port}")


def _amend(home: Path, web_port: int) -> None:
    """Change what tests need otherwise; what runs reads it when it is next up."""
    cloud = home / "cloud" / "etc"
    _set(cloud / "identity-server.conf", "app:identity-server", password_memory_kib="64", password_passes="1")
    _set(
        cloud / "image-server.conf",
        "app:image-server",
        web_download_ports=f"80, 443, {web_port}",
        web_download_networks="127.0.0.0/8",
    )
    proxy = home / "proxy" / "etc" / "proxy-server.conf"
    _set(proxy, "filter:formpost", allowed_digests="sha1 sha256 sha512")
    _set(proxy, "filter:crossdomain", use="egg:apus#crossdomain")
    pipeline = _read(proxy)["pipeline:main"]["pipeline"]
    _set(proxy, "pipeline:main", pipeline=pipeline.replace(" tempurl ", " crossdomain tempurl "))


def _read(path: Path) -> configparser.RawConfigParser:
    conf = configparser.RawConfigParser()
    conf.optionxform = str  # type: ignore[assignment,method-assign]  # option names keep their case
    conf.read(path)
    return conf


def _set(path: Path, section: str, **options: str) -> None:
    conf = _read(path)
    if section not in conf:
        conf.add_section(section)
    conf[section].update(options)
    with path.open("w") as file:
        conf.write(file)


@contextmanager
def _host(home: Path, name: str, console_port: int) -> Iterator[None]:
    """A host of servers that runs none, but says that it does."""
    service = _read(home / "cloud" / "etc" / "compute-server.conf")
    known = service["app:compute-server"]
    folder = home / "hosts" / name
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "apus.bin.compute_agent"]
    asked = [*command, "--key", known["agent_secret"], name]
    options = {
        "host": name,
        "key": subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip(),
        "api_url": f"http://127.0.0.1:{service['DEFAULT']['bind_port']}",
        "driver": "fake",
        "folder": str(folder),
        "block_socket": str(folder / "control"),
        "vcpus": "64",
        "memory_mib": "65536",
        "disk_gib": "1000",
        "console_port": str(console_port),
        **{option: value for option, value in known.items() if option.startswith("store_")},
    }
    conf = folder / "agent.conf"
    conf.write_text(
        "\n".join(["[compute-agent]", *(f"{option} = {value}" for option, value in options.items())]) + "\n"
    )
    with (folder / "agent.log").open("wb") as log:
        process = subprocess.Popen([*command, str(conf)], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _carriers(home: Path) -> AbstractContextManager[None]:
    """What tells the network service that the hosts' ports are ready."""
    confs = home / "cloud" / "etc"
    ports = {
        name: _read(confs / f"{name}-server.conf")["DEFAULT"]["bind_port"] for name in ("network", "identity")
    }
    carriers: AbstractContextManager[None] = carrying(
        HOSTS,
        network_url=f"http://127.0.0.1:{ports['network']}",
        identity_url=f"http://127.0.0.1:{ports['identity']}",
        password=_read(confs / "compute-server.conf")["app:compute-server"]["service_password"],
    )
    return carriers


@contextmanager
def _web_server(folder: Path, port: int) -> Iterator[None]:
    """Two disk images, for those who import them from the web."""
    folder.mkdir()
    (folder / "disk.raw").write_bytes(os.urandom(MiB) + bytes(MiB))
    made = ["qemu-img", "create", "-q", "-f", "qcow2", str(folder / "disk.qcow2"), "16M"]
    subprocess.run(made, check=True)
    serve = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *said: object) -> None:
        """Keep quiet."""


def _furnished(home: Path, web: str) -> Grounds:
    """Make what an administrator would have made: flavors and images; return all that there is."""
    config = OpenStackConfig(load_envvars=False, config_files=[str(home / "clouds.yaml")]).get_one("admin")
    with closing(openstack.connection.Connection(config=config)) as admin:
        for flavor_id, (name, memory_mib) in FLAVORS.items():
            admin.create_flavor(name, ram=memory_mib, vcpus=1, disk=1, flavorid=flavor_id)
        images = [_image(admin, home, name).id for name in ("tempest", "tempest-alt")]
        outside = _outside(admin)
        extensions = tuple(sorted(each.alias for each in admin.network.extensions()))
        _await_hosts(admin)
    return Grounds(
        identity_url=config.auth["auth_url"],
        region=config.region_name,
        admin_password=config.auth["password"],
        image_id=images[0],
        image_alt_id=images[1],
        flavor_id="1",
        flavor_alt_id="2",
        web_image=f"{web}/disk.raw",
        web_qcow2_image=f"{web}/disk.qcow2",
        compute_hosts=len(HOSTS),
        outside_id=outside,
        network_extensions=extensions,
    )


def _outside(admin: Any) -> str:
    """A network outside, with a range of addresses; its id."""
    network = admin.network.create_network(
        name=OUTSIDE,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=OUTSIDE,
    )
    admin.network.create_subnet(
        network_id=network.id,
        ip_version=4,
        cidr="172.24.4.0/24",
        gateway_ip="172.24.4.1",
        is_dhcp_enabled=False,
    )
    return str(network.id)


def _image(admin: Any, home: Path, name: str) -> Any:
    path = home / f"{name}.raw"
    path.write_bytes(os.urandom(DISK_BYTES))
    facts: Mapping[str, Any] = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
    return admin.create_image(name, filename=str(path), wait=True, timeout=PATIENCE_SECONDS, **facts)


def _await_hosts(admin: Any) -> None:
    """Return when all hosts have said that they live."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        up = {each.host for each in admin.compute.services(binary="nova-compute") if each.state == "up"}
        if up >= set(HOSTS):
            return
        assert time.monotonic() < deadline, f"only these hosts live: {up}"
        time.sleep(0.2)
