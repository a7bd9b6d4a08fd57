"""Settings of a host's agent."""

from __future__ import annotations

from dataclasses import dataclass

from ....common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What an operator may say of a host."""

    host: str = setting("", help="The host's name; the network agent's host must be the same.")
    api_url: str = setting("http://127.0.0.1:8774", help="The server service.")
    key: str = setting("", help="The host's key: `apus-compute-agent --key SECRET HOST` prints it.")
    driver: str = setting(
        "libvirt",
        help="Who runs machines: libvirt, or fake, which runs none and is for measuring the service alone.",
        choices=("libvirt", "fake"),
    )
    libvirt_uri: str = setting(
        "qemu:///system", help="Where libvirt listens; qemu:///embed?root=DIR runs it inside the agent."
    )
    acceleration: str = setting(
        "auto",
        help="Whether machines run on the processor (kvm) or are translated (none); auto: kvm where "
        "the processor says that it can and /dev/kvm may be opened.",
        choices=("auto", "kvm", "none"),
    )
    folder: str = setting(
        "/var/lib/apus/compute", help="Folder for consoles and config drives of the host's machines."
    )
    block_socket: str = setting(
        "/var/lib/apus/block/control", help="The control socket of the host's apus-block-server."
    )
    vcpus: int = setting(0, help="Processors to promise; 0: those that there are.", minimum=0)
    memory_mib: int = setting(0, help="MiB of memory to promise; 0: what there is.", minimum=0)
    disk_gib: int = setting(0, help="GiB of disk to promise; 0: the size of the folder's disk.", minimum=0)
    console_ip: str = setting("127.0.0.1", help="Address at which the service asks for consoles.")
    console_port: int = setting(8779, help="Its port.", minimum=0, maximum=65535)
    heartbeat_seconds: float = setting(
        15.0, help="How often the host says that it lives, and looks at its machines.", minimum=0.05
    )
    wait_seconds: int = setting(20, help="How long one question for work is kept open.", minimum=0)
    lease_seconds: float = setting(
        2.0,
        help="How often the host asks, while guests have volumes, whether one is to be committed.",
        minimum=0.05,
    )
    stop_seconds: float = setting(
        60.0, help="How long a guest has to shut down before its power is cut.", minimum=0
    )
    machines_at_end: str = setting(
        "keep",
        help="What becomes of the machines when the agent ends: they go on (keep), or are asked to shut "
        "down, as a server is that is stopped (stop).",
        choices=("keep", "stop"),
    )
