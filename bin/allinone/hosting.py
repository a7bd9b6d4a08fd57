"""This machine as the host of the all-in-one's servers: whether it can be one, and its agents' confs.

    obstacles() ──▶ {"network-agent": "it must run as root", …}
    prepare(), clear() ──▶ user and link before the agents; machines, networks and link after them
    Layout, secrets ──▶ files() ──▶ {path: text} of the agents

Unix sockets have short paths, so whatever has sockets is reached by a link in /run. Which agents there are is
layout.py's, when they start and end cluster.py's.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ...common.errors import ApusError
from ...compute.network.host.execution import Host
from ...compute.server.keys import console_key, host_key
from .confs import ini
from .identity import Identity, await_end
from .layout import AGENTS, BLOCK_SERVER, COMPUTE_AGENT, CONSOLES, NETWORK_AGENT, Layout
from .tenants import Secrets, store_login

PHYSICAL_NETWORK = "public"
STOP_SECONDS = 20
"""So long a guest has to shut down when the cluster goes down."""
PLUG_SECONDS = 5.0
"""And so long QEMU has to end, where nobody is left to ask the guest."""
QEMU_USER = "libvirt-qemu"
_RANGES = tuple(f"172.24.{third}.0/24" for third in range(4, 20))
_PROGRAMS: Mapping[str, Mapping[str, str]] = {
    COMPUTE_AGENT: {"qemu-system-x86_64": "qemu-system-x86", "libvirtd": "libvirt-daemon"},
    NETWORK_AGENT: {
        "ip": "iproute2",
        "bridge": "iproute2",
        "nft": "nftables",
        "dnsmasq": "dnsmasq-base",
        "sysctl": "procps",
    },
}
_DRIVER = "libvirt/connection-driver/libvirt_driver_qemu.so"
_TRIAL = (
    "ip link add apus-trial type bridge && ip tuntap add apus-tap mode tap && nft add table bridge apus-trial"
)


def obstacles() -> dict[str, str]:
    """Return why which agents can't run on this machine; those that are not named can."""
    found = {role: why for role in (NETWORK_AGENT, COMPUTE_AGENT) if (why := _obstacle(role))}
    if COMPUTE_AGENT in found:
        found |= dict.fromkeys(
            (BLOCK_SERVER, CONSOLES), "it is for servers on this machine, and there are none"
        )
    return found


def _obstacle(role: str) -> str:
    if os.geteuid() != 0:
        return "it must run as root; try `sudo make up APUS_SERVICES=all`"
    missing = sorted({package for program, package in _PROGRAMS[role].items() if _program(program) is None})
    if missing:
        return f"packages are missing: apt-get install {' '.join(missing)}"
    if role == NETWORK_AGENT:
        return _network_trouble()
    if not any(Path("/usr/lib").glob(f"*/{_DRIVER}")):
        return "a package is missing: apt-get install libvirt-daemon-driver-qemu"
    if importlib.util.find_spec("libvirt") is None:
        return "libvirt-python is missing: pip install 'apus[compute]'"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _network_trouble() -> str:
    """Make what guests' networks consist of, in a namespace that ends with the trial."""
    trial = ["unshare", "--net", "--mount", "sh", "-c", _TRIAL]
    try:
        done = subprocess.run(trial, capture_output=True, text=True, check=False)
    except OSError as problem:
        return f"networks can't be made here: {problem}"
    return f"networks can't be made here: {done.stderr.strip()}" if done.returncode else ""


def free_range() -> str:
    """Return addresses for the public network that this machine does not use yet."""
    mine = [address for _, address in _own_addresses()]
    for each in _RANGES:
        if not any(address in ipaddress.ip_network(each) for address in mine):
            return each
    return _RANGES[0]


def rival(layout: Layout) -> str:
    """Return which other device of this machine has the public network's gateway's address, "" for none."""
    wanted = ipaddress.ip_interface(gateway_of(layout)).ip
    try:
        ours = json.loads((layout.cloud / "network" / "made.json").read_text())["devices"]
    except FileNotFoundError:
        ours = []
    others = ((device, address) for device, address in _own_addresses() if device not in ours)
    return next((device for device, address in others if address == wanted), "")


def gateway_of(layout: Layout) -> str:
    """Return the address, with its length, that this machine has in the public network."""
    network = ipaddress.ip_network(layout.public_range)
    return f"{network[1]}/{network.prefixlen}"


def _own_addresses() -> list[tuple[str, ipaddress.IPv4Address]]:
    words = ["ip", "-o", "-4", "address", "show"]
    try:
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    fields = [line.split() for line in lines]
    return [(each[1], ipaddress.ip_interface(each[3]).ip) for each in fields]  # type: ignore[misc]  # -4: no other


def prepare(layout: Layout) -> None:
    """Make what agents need of the machine: the link, and the user whom libvirt asks for.

    Raises:
        ApusError: it can't be made.
    """
    link = layout.short_cloud
    layout.cloud.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != layout.cloud:
        link.unlink(missing_ok=True)
        link.symlink_to(layout.cloud)
    try:
        pwd.getpwnam(QEMU_USER)
    except KeyError:
        words = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        done = subprocess.run([*words, QEMU_USER], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ApusError(f"the user {QEMU_USER} could not be made: {done.stderr.strip()}") from None


def clear(layout: Layout) -> None:
    """Remove machines, networks and link; nothing happens where none were made.

    Raises:
        Unavailable: some of it could not be removed.
    """
    left = left_machines(layout)
    for machine in left:
        machine.signal(signal.SIGTERM)
    for machine in await_end(left, PLUG_SECONDS):  # Their disks are not served any more.
        machine.signal(signal.SIGKILL)
    folder = layout.cloud / "network"
    if folder.is_dir():
        Host(folder).clear(_table(layout))
    layout.short_cloud.unlink(missing_ok=True)


def left_machines(layout: Layout) -> list[Identity]:
    """Return the guests that run although their agent has ended otherwise than by being told to."""
    mark, found = f"{layout.short_cloud}/libvirt".encode(), []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue
        if b"qemu-system" in command.partition(b"\0")[0] and mark in command:
            found.append(Identity.of(int(folder.name)))
    return [each for each in found if each]


def files(layout: Layout, known: Secrets) -> dict[Path, str]:
    """The agents' confs."""
    name, short = socket.gethostname(), layout.short_cloud
    store = store_login(layout, known)
    options: dict[str, dict[str, str]] = {
        BLOCK_SERVER: {"state_folder": str(short / "block"), **store},
        COMPUTE_AGENT: {
            "host": name,
            "key": host_key(known.agent_secret, name),
            "api_url": layout.tenant_url("compute"),
            "libvirt_uri": f"qemu:///embed?root={short / 'libvirt'}",
            "folder": str(short / "servers"),
            "block_socket": str(short / "block" / "control"),
            "console_port": str(layout.console_port),
            "machines_at_end": "stop",
            "stop_seconds": str(STOP_SECONDS),
            **store,
        },
        NETWORK_AGENT: {
            "host": name,
            "state_path": str(layout.cloud / "network"),
            "network_url": layout.tenant_url("network"),
            "identity_url": layout.tenant_url("identity"),
            "username": "cloud",
            "password": known.cloud_password,
            "host_addresses": f"{PHYSICAL_NETWORK}:{gateway_of(layout)}",
            "table": _table(layout),
            "dhcp_user": "root",  # Nobody else may look into the cluster's home.
            "metadata_url": layout.tenant_url("compute"),
            "metadata_secret": known.metadata_secret,
        },
        CONSOLES: {
            "bind_ip": layout.bind_ip,
            "bind_port": str(layout.consoles_port),
            "api_url": layout.tenant_url("compute"),
            "key": console_key(known.agent_secret),
        },
    }
    return {layout.agent(role).conf: ini({role: options[role]}) for role in AGENTS}


def _table(layout: Layout) -> str:
    return f"apus-{layout.port}"
