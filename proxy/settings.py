"""What an operator can set of the proxy: `[app:proxy-server]`, judged once at start.

    conf section ──▶ parse(ProxySettings) ──▶ handed down to whoever decides
    [proxy-server:policy:N] ──▶ the same options again for one storage policy

Option names are those of OpenStack Swift's proxy wherever the thing is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..common.config import parse, setting
from .nodes import NodeCount, ReadAffinity, WriteAffinity

OWNER_HEADERS = (
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-account-meta-temp-url-key",
    "x-account-meta-temp-url-key-2",
    "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2",
    "x-account-access-control",
)
"""What only an account's owner may see or set, unless the operator names other headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSettings:
    """In which order replicas are asked; can differ by storage policy."""

    sorting_method: str = setting(
        "shuffle",
        help="Order in which replicas are read: shuffle, timing (fastest first) or affinity.",
        choices=("shuffle", "timing", "affinity"),
    )
    read_affinity: str = setting("", help="Nearest first: r1z1=100, r1=200. Lower is nearer.")
    write_affinity: str = setting("", help="Places that new objects are written to first: r1, r2z3.")
    write_affinity_node_count: str = setting(
        "2 * replicas", help="How many local devices are tried before remote ones."
    )
    write_affinity_handoff_delete_count: str = setting(
        "auto", help="How many local handoffs a DELETE also visits; auto: one per remote primary."
    )
    concurrent_gets: bool = setting(
        False,  # noqa: FBT003
        help="Ask a further replica when one is slow, and serve whichever answers first.",
    )
    concurrency_timeout: float = setting(
        0.5, help="Seconds a replica may take before the next is asked too.", minimum=0
    )

    def nearest(self) -> ReadAffinity | None:
        """Return the rule by which reads are sorted, or None."""
        affinity = ReadAffinity.parse(self.read_affinity)
        return affinity if self.sorting_method == "affinity" else None

    def local(self) -> WriteAffinity | None:
        """Return which places are written first, or None."""
        affinity = WriteAffinity.parse(self.write_affinity)
        return affinity if affinity.places else None

    def local_count(self) -> NodeCount:
        """Return how many local devices are tried first."""
        return NodeCount.parse(self.write_affinity_node_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings(ReplicaSettings):
    """The proxy's settings; everything here is the same for all its requests."""

    swift_dir: str = setting("/etc/swift", help="Folder with swift.conf and the ring files.")
    node_timeout: float = setting(10.0, help="Seconds a storage server may be silent.", minimum=0)
    recoverable_node_timeout: float | None = setting(
        None, help="The same for object reads, which another replica can serve; default node_timeout."
    )
    conn_timeout: float = setting(0.5, help="Seconds to connect to a storage server.", minimum=0)
    post_quorum_timeout: float = setting(
        0.5, help="Seconds that the other replicas get to answer once a quorum has.", minimum=0
    )
    client_chunk_size: int = setting(
        1048576, help="Most bytes of an upload read from the client at a time.", minimum=1024
    )
    small_body_size: int = setting(
        65536, help="Uploads up to this size are sent with their headers in one go.", minimum=0
    )
    error_suppression_interval: float = setting(
        60.0, help="Seconds that a failing device is left alone.", minimum=0
    )
    error_suppression_limit: int = setting(10, help="Errors after which a device is left alone.", minimum=0)
    request_node_count: str = setting("2 * replicas", help="How many nodes one request may try.")
    recheck_account_existence: float = setting(
        60.0, help="Seconds that facts about an account stay in memcached.", minimum=0
    )
    recheck_container_existence: float = setting(
        60.0, help="Seconds that facts about a container stay in memcached.", minimum=0
    )
    info_cache_seconds: float = setting(
        1.0,
        help="Seconds that such facts stay in the worker's own memory. Other workers do not see "
        "what this one forgets, so an ACL change may take this long to reach them.",
        minimum=0,
    )
    info_cache_entries: int = setting(10000, help="How many facts a worker remembers.", minimum=1)
    account_autocreate: bool = setting(
        False,  # noqa: FBT003
        help="Create an account when its first container is made.",
    )
    allow_account_management: bool = setting(
        False,  # noqa: FBT003
        help="Let account PUT and DELETE through.",
    )
    allow_open_expired: bool = setting(
        False,  # noqa: FBT003
        help="Let X-Open-Expired read objects past their X-Delete-At.",
    )
    max_containers_per_account: int = setting(0, help="Most containers of an account; 0: no limit.")
    max_containers_whitelist: tuple[str, ...] = setting((), help="Accounts free of that limit.")
    deny_host_headers: tuple[str, ...] = setting((), help="Host names that are refused with 403.")
    cors_allow_origin: tuple[str, ...] = setting((), help="Origins allowed for every container.")
    cors_expose_headers: tuple[str, ...] = setting((), help="Headers exposed to every origin.")
    strict_cors_mode: bool = setting(
        True,  # noqa: FBT003
        help="Send CORS headers only to origins that the container allows.",
    )
    swift_owner_headers: tuple[str, ...] = setting(
        OWNER_HEADERS, help="Headers that only an account's owner may see or set."
    )
    timing_expiry: float = setting(300.0, help="Seconds that a node's timing is believed.")
    expose_info: bool = setting(True, help="Answer GET /info.")  # noqa: FBT003
    disallowed_sections: tuple[str, ...] = setting(
        ("swift.valid_api_versions",), help="Sections, or section.key, that /info leaves out."
    )
    admin_key: str = setting(
        "", help="Secret that signs requests for the admin section of /info; empty shows it to nobody."
    )
    policies: Mapping[int, ReplicaSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse at start what would be found wrong in the middle of a request."""
        NodeCount.parse(self.request_node_count)
        for replicas in (self, *self.policies.values()):
            replicas.nearest()
            replicas.local()
            replicas.local_count()

    @property
    def read_timeout_seconds(self) -> float:
        """Return how long an object read waits for one replica."""
        if self.recoverable_node_timeout is None:
            return self.node_timeout
        return self.recoverable_node_timeout

    def of_policy(self, index: int | None) -> ReplicaSettings:
        """Return the replica settings of a storage policy; None for accounts and containers."""
        return self if index is None else self.policies.get(index, self)


def policy_settings(
    options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]], app_section: str
) -> dict[int, ReplicaSettings]:
    """Return the settings of each `[APP:policy:N]` section, which override the app's own."""
    prefix = f"{app_section}:policy:"
    return {
        int(name[len(prefix) :]): parse(ReplicaSettings, {**options, **section})
        for name, section in sections.items()
        if name.startswith(prefix)
    }
