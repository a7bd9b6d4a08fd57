"""What an operator says of the S3 door."""

from __future__ import annotations

from dataclasses import dataclass

from ....common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """The filter's settings."""

    location: str = setting("us-east-1", help="Region that buckets are in and that signatures name.")
    storage_domain: tuple[str, ...] = setting(
        (), help="Domains below which a host name is a bucket's: BUCKET.s3.example.com."
    )
    default_account: str = setting(
        "",
        help="Storage account whose buckets strangers reach by their bare names; without it they must say "
        "ACCOUNT:BUCKET.",
    )
    max_bucket_listing: int = setting(1000, help="Most rows of one page of a listing.", minimum=1)
    max_upload_part_num: int = setting(10000, help="Highest number of a part.", minimum=1)
    min_segment_size: int = setting(5 << 20, help="Fewest bytes of a part that is not the last.", minimum=1)
    parts_kept_seconds: float = setting(
        3600.0,
        help="Seconds for which the parts of an object stay that is overwritten or deleted, for downloads "
        "that have begun.",
        minimum=0,
    )
    heartbeat_seconds: float = setting(
        10.0,
        help="Seconds after which a client that completes an upload is sent white space, again and "
        "again, until it is done.",
        minimum=0.01,
    )
    max_multi_delete_objects: int = setting(1000, help="Most keys of one DeleteObjects.", minimum=1)
    allowable_clock_skew: int = setting(
        900, help="Seconds that a client's clock may differ from ours.", minimum=1
    )
    access_log_spool: str = setting(
        "/var/spool/apus/s3-access-log",
        help="Folder where the lines of buckets' access logs wait; each machine has one of its own.",
    )
    access_log_seconds: float = setting(
        300.0, help="Seconds between two deliveries of access logs to their buckets.", minimum=0.1
    )
    access_log_bytes: int = setting(
        4 << 20,
        help="Bytes of waiting lines of one worker at which they are delivered at once.",
        minimum=4096,
    )
    access_log_spool_bytes_max: int = setting(
        256 << 20, help="Most bytes that wait; beyond them lines are dropped and counted.", minimum=65536
    )
    access_log_keep_seconds: float = setting(
        86400.0, help="Seconds after which lines are given up that cannot be delivered.", minimum=0
    )
