"""Headers that any request may have, and what they hold it to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front


def refused(act: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    with pytest.raises(ClientError) as problem:
        act(**arguments)
    found = problem.value.response
    return found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"]


def test_a_bucket_that_another_owns_is_not_the_one_that_is_meant(s3: S3Front, bucket: str) -> None:
    """Whoever names the owner gets 403 instead of somebody else's bucket, and nothing is stored."""
    boto = s3.client()
    mine, other = {"ExpectedBucketOwner": "AUTH_test"}, {"ExpectedBucketOwner": "AUTH_other"}
    boto.put_object(Bucket=bucket, Key="k", Body=b"x", **mine)
    assert boto.head_bucket(Bucket=bucket, **mine)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert refused(boto.put_object, Bucket=bucket, Key="l", Body=b"x", **other) == (403, "AccessDenied")
    assert refused(boto.get_object, Bucket=bucket, Key="k", **other) == (403, "AccessDenied")
    assert refused(boto.list_objects_v2, Bucket=bucket, **other) == (403, "AccessDenied")
    assert refused(boto.get_bucket_versioning, Bucket=bucket, **other) == (403, "AccessDenied")
    copy = {"Bucket": bucket, "Key": "l", "CopySource": f"{bucket}/k"}
    assert refused(boto.copy_object, **copy, ExpectedSourceBucketOwner="AUTH_other") == (403, "AccessDenied")
    boto.copy_object(**copy, ExpectedSourceBucketOwner="AUTH_test")


def test_nobody_is_charged(s3: S3Front, bucket: str) -> None:
    """A requester may offer to pay; no answer says that they do."""
    boto = s3.client()
    offer = {"Bucket": bucket, "Key": "k", "RequestPayer": "requester"}
    answers = [boto.put_object(**offer, Body=b"x"), boto.head_object(**offer), boto.get_object(**offer)]
    answers[-1]["Body"].read()
    assert not [answer for answer in answers if "RequestCharged" in answer]


def test_an_upload_is_as_long_as_its_completion_says(s3: S3Front, bucket: str) -> None:
    """x-amz-mp-object-size: another one is refused, and the upload stays."""
    boto = s3.client()
    upload_id = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    how = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    etag = boto.upload_part(**how, PartNumber=1, Body=b"four")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = boto.complete_multipart_upload
    assert refused(done, **how, MultipartUpload=parts, MpuObjectSize=5) == (400, "InvalidRequest")
    done(**how, MultipartUpload=parts, MpuObjectSize=4)
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] == 4
