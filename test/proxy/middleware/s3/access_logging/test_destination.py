"""Where a log goes, and what its objects are called."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.s3.access_logging.destination import (
    Form,
    Logging,
    check,
    logging_of,
    object_name,
    place,
)
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import read

MOMENT = 1795282736.0  # 2026-11-21 17:38:56

DATED = (
    "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>{}</PartitionDateSource>"
    "</PartitionedPrefix></TargetObjectKeyFormat>"
)


def document(inside: str) -> str:
    return f"<BucketLoggingStatus>{inside}</BucketLoggingStatus>"


def enabled(more: str = "", target: str = "logs", prefix: str = "web/") -> str:
    return document(
        f"<LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>{prefix}</TargetPrefix>{more}"
        "</LoggingEnabled>"
    )


@pytest.mark.parametrize(
    ("more", "form"),
    [
        ("", Form.SIMPLE),
        ("<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>", Form.SIMPLE),
        ("<TargetGrants/>", Form.SIMPLE),
        (
            "<TargetObjectKeyFormat><PartitionedPrefix/></TargetObjectKeyFormat>",
            Form.DELIVERY_TIME,
        ),
        (DATED.format("EventTime"), Form.EVENT_TIME),
        (DATED.format("DeliveryTime"), Form.DELIVERY_TIME),
    ],
)
def test_a_document_says_where_the_log_goes(more: str, form: Form) -> None:
    """Bucket, prefix, and which form the names have."""
    assert logging_of(enabled(more)) == Logging("logs", "web/", form)


def test_an_empty_document_switches_it_off() -> None:
    """As the SDKs do it."""
    assert logging_of(document("")) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (document("<LoggingEnabled><TargetPrefix/></LoggingEnabled>"), "MalformedXML"),
        (document("<LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled>"), "MalformedXML"),
        (document("<Other/>"), "MalformedXML"),
        (enabled(target="AUTH_x:logs"), "InvalidTargetBucketForLogging"),
        (enabled(prefix="x" * 513), "InvalidArgument"),
        (enabled("<TargetGrants><Grant/></TargetGrants>"), "NotImplemented"),
        (enabled("<TargetObjectKeyFormat/>"), "MalformedXML"),
        (
            enabled(
                "<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix/></TargetObjectKeyFormat>",
            ),
            "MalformedXML",
        ),
        (enabled(DATED.format("Never")), "MalformedXML"),
    ],
)
def test_what_is_no_such_document_is_refused(text: str, code: str) -> None:
    """With the error that says what is wrong."""
    with pytest.raises(S3Error) as refused:
        check(read(text.encode()))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Form.SIMPLE, "web/2026-11-21-17-38-56-"),
        (Form.DELIVERY_TIME, "web/AUTH_a/us-east-1/bkt/2026/11/21/2026-11-21-17-38-56-"),
        (Form.EVENT_TIME, "web/AUTH_a/us-east-1/bkt/2026/11/20/2026-11-20-00-00-00-"),
    ],
)
def test_an_object_is_called_as_at_amazon(form: Form, expected: str) -> None:
    """The prefix, where it is asked for account, region, bucket and day, the time, sixteen characters."""
    where = place(
        Logging("logs", "web/", form),
        account="AUTH_a",
        region="us-east-1",
        bucket="bkt",
        moment=MOMENT - 86400,
    )
    name = object_name(where, MOMENT, "batch")
    assert name[:-16] == expected
    assert set(name[-16:]) <= set("0123456789ABCDEF")
    assert name == object_name(where, MOMENT, "batch")
    assert name != object_name(where, MOMENT, "another batch")
