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
    max_multi_delete_objects: int = setting(1000, help="Most keys of one DeleteObjects.", minimum=1)
    allowable_clock_skew: int = setting(
        900, help="Seconds that a client's clock may differ from ours.", minimum=1
    )
