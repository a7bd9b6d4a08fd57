"""What functional tests of the S3 door share: one proxy with it, and a bucket of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clusters import AllInOne
from s3 import S3Front, bucket_of, s3_front


@pytest.fixture(scope="session")
def s3(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """One proxy with the S3 filter before the shared cluster."""
    with s3_front(shared_cluster, tmp_path_factory.mktemp("s3")) as opened:
        yield opened


@pytest.fixture(params=["http", "https"])
def boto(request: pytest.FixtureRequest, s3: S3Front) -> Any:
    """A boto3 client, over plain HTTP and over TLS."""
    return s3.client(tls=request.param == "https")


@pytest.fixture
def bucket(s3: S3Front) -> Iterator[str]:
    """A bucket of the test's own."""
    with bucket_of(s3.client()) as name:
        yield name
