"""The settings of the object server: one dataclass, refused at start when wrong."""

from __future__ import annotations

from dataclasses import dataclass

from ..common.cluster import DEFAULT_DIRECTORY
from ..common.config import setting

RECLAIM_AGE_SECONDS = 604_800
KEEP_CACHE_SIZE = 5_424_880
_ALLOWED_HEADERS = (
    "Content-Disposition",
    "Content-Encoding",
    "X-Delete-At",
    "X-Object-Manifest",
    "X-Static-Large-Object",
    "Cache-Control",
    "Content-Language",
    "Expires",
    "X-Robots-Tag",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettings:
    """How one node's object server works."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Refuse (507) what is for a device that is not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf.")
    fallocate_reserve: str = setting(
        "1%", help="Space to leave free on each device, bytes or percent; beyond it writes are refused (507)."
    )
    allowed_headers: tuple[str, ...] = setting(
        _ALLOWED_HEADERS, help="Headers kept with an object beside its metadata."
    )
    node_timeout: float = setting(3.0, help="Seconds to wait for a container server's answer.", minimum=0)
    conn_timeout: float = setting(
        0.5, help="Seconds to wait for a connection to a container server.", minimum=0
    )
    container_update_timeout: float = setting(
        1.0, help="Seconds that a container update may hold up the answer; then it is queued.", minimum=0
    )
    max_upload_time: float = setting(86400.0, help="Seconds that one upload may take.", minimum=1)
    network_chunk_size: int = setting(1 << 20, help="Bytes of a body that are taken at a time.", minimum=4096)
    keep_cache_size: int = setting(
        KEEP_CACHE_SIZE,
        help="Bytes up to which one read is taken through the page cache and stays there. Longer ones are"
        " read past it; raise this where devices are slow and large objects are read often.",
        minimum=0,
    )
    reclaim_age: float = setting(
        RECLAIM_AGE_SECONDS, help="Seconds after which a tombstone may be forgotten.", minimum=0
    )
    expiring_objects_container_divisor: int = setting(
        86400, help="Seconds that the queue of expiring objects puts into one container.", minimum=101
    )
    replication_server: bool = setting(
        True,  # noqa: FBT003
        help="Answer replicators too; false where they have a server of their own.",
    )
    log_requests: bool = setting(
        False,  # noqa: FBT003
        help="Log every request. Costs a quarter of a small GET; the proxy logs the client's side anyway.",
    )
