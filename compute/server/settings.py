"""Settings of the server service."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """What an operator may say of servers."""

    database: str = setting(
        "sqlite:////var/lib/apus/compute.db",
        help="Where the catalogue is: sqlite:////path, postgresql+pg8000://user@host/name or mysql+pymysql://…",
    )
    image_url: str = setting("http://127.0.0.1:9292", help="The image service.")
    network_url: str = setting("http://127.0.0.1:9696", help="The network service.")
    volume_url: str = setting("http://127.0.0.1:8776/v3", help="The volume service, with its /v3.")
    identity_url: str = setting(
        "http://127.0.0.1:5000", help="The identity service, told to whoever comes without a token."
    )
    token_keys: str = setting("", help="Folder of the identity service's public keys, for checking tokens.")
    service_user: str = setting("cloud", help="User as whom the other services are asked.")
    service_password: str = setting("", help="That user's password at the identity service.")
    service_project: str = setting("service", help="That user's project.")
    service_domain: str = setting("Default", help="Domain of both, by name.")
    agent_secret: str = setting(
        "",
        help="The secret from which each host's key is made; a host's agent has its own key only "
        "(`apus-compute-agent --key SECRET HOST` prints it). Empty: no agent is let in.",
    )
    metadata_secret: str = setting(
        "", help="What the network agents' metadata requests are signed with. Empty: none is answered."
    )
    silence_seconds: float = setting(
        60.0, help="After so long without a word from its agent a host is down.", minimum=1
    )
    filters: tuple[str, ...] = setting(
        (
            "ComputeFilter",
            "HostFilter",
            "AvailabilityZoneFilter",
            "CoreFilter",
            "RamFilter",
            "DiskFilter",
            "ImagePropertiesFilter",
            "AggregateInstanceExtraSpecsFilter",
            "AggregateMultiTenancyIsolation",
            "SameHostFilter",
            "DifferentHostFilter",
            "ServerGroupAffinityFilter",
            "ServerGroupAntiAffinityFilter",
        ),
        help="What a host must pass to get a server, in order; also package.module:function.",
    )
    weighers: tuple[str, ...] = setting(
        ("RAMWeigher", "CPUWeigher", "BuildsWeigher", "ServerGroupSoftAffinityWeigher=2",
         "ServerGroupSoftAntiAffinityWeigher=2"),
        help="What makes one host better than another; NAME=FACTOR weighs more or less.",
    )  # fmt: skip
    console_url: str = setting(
        "http://127.0.0.1:6080/",
        help="Where clients find the console server: the base of the URLs that they are given "
        "(https:// behind what ends TLS). Empty: servers have no console but their log.",
    )
    console_seconds: float = setting(600.0, help="How long the URL of a console opens it.", minimum=1)
    heal_seconds: float = setting(
        60.0,
        help="How often the addresses of some servers' ports are read anew; a network service that tells of "
        "changes (os-server-external-events) is heard at once.",
        minimum=1,
    )
    sweep_seconds: float = setting(
        5.0, help="How often to look for work that a process left when it ended.", minimum=0.05
    )
