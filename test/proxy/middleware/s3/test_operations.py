"""Which function serves which request, and what is said of those that none does."""

from __future__ import annotations

from typing import Any

import pytest
from one_request import FixedApp, environ_for

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.proxy.middleware.s3 import operations
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.settings import S3Config


def nothing(_request: Request) -> Answer:
    return Answer(200)


def request(
    method: str,
    bucket: str | None = "bkt",
    key: str | None = None,
    query: dict[str, str] | None = None,
    **headers: str,
) -> Request:
    environ = environ_for(
        method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    app: Any = FixedApp()
    return Request(
        environ, app, parse(S3Config, {}), account="a", bucket=bucket, key=key, query=dict(query or {})
    )


KNOWN: dict[tuple[str, str, str], operations.Operation] = dict.fromkeys(
    (
        ("service", "GET", ""),
        ("bucket", "PUT", ""),
        ("bucket", "GET", ""),
        ("bucket", "GET", "acl"),
        ("object", "PUT", ""),
        ("object", "PUT", "copy"),
        ("object", "PUT", "uploadId"),
        ("object", "GET", ""),
        ("object", "DELETE", ""),
    ),
    nothing,
)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (request("GET", None), ("service", "GET", "")),
        (request("PUT"), ("bucket", "PUT", "")),
        (request("PUT", query={"x-id": "CreateBucket"}), ("bucket", "PUT", "")),
        (request("GET", query={"acl": ""}), ("bucket", "GET", "acl")),
        (request("GET", query={"list-type": "2", "prefix": ""}), ("bucket", "GET", "")),
        (request("PUT", key="k"), ("object", "PUT", "")),
        (request("PUT", key="k", x_amz_copy_source="/b/k"), ("object", "PUT", "copy")),
        (request("PUT", key="k", query={"uploadId": "1", "partNumber": "1"}), ("object", "PUT", "uploadId")),
        (
            request("PUT", key="k", query={"partNumber": "1", "uploadId": "1"}, x_amz_copy_source="/b/k"),
            ("object", "PUT", "uploadId"),
        ),
        (request("GET", key="k", query={"versionId": "v", "response-expires": ""}), ("object", "GET", "")),
        (request("DELETE", key="k", query={"versionId": "null"}), ("object", "DELETE", "")),
        (request("PUT", key="k", query={"X-Amz-Security-Token": ""}), ("object", "PUT", "")),
    ],
)
def test_a_request_finds_its_function(asked: Request, key: tuple[str, str, str]) -> None:
    """By what it is for, its method, and a word of its query."""
    found = {name: lambda _request, name=name: Answer(200, {"name": repr(name)}) for name in KNOWN}
    assert operations.found(asked, found)(asked).headers["name"] == repr(key)


@pytest.mark.parametrize(
    "asked",
    [
        request("PUT", query={"publicAccessBlock": ""}),
        request("PUT", query={"someWordOfTomorrow": ""}),
        request("DELETE", key="k", query={"tagging": ""}),
        request("DELETE", key="k", query={"someWordOfTomorrow": ""}),
        request("GET", key="k", query={"torrent": ""}),
        request("POST", key="k", query={"select": "", "select-type": "2"}),
        request("GET", query={"inventory": "", "id": "1"}),
    ],
)
def test_what_is_not_implemented_is_never_taken_for_something_else(asked: Request) -> None:
    """A PUT of a configuration must not create a bucket (lp 2144831)."""
    with pytest.raises(S3Error) as caught:
        operations.found(asked, KNOWN)
    assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (request("POST", None), "GET"),
        (request("DELETE"), "GET, PUT"),
        (request("PATCH", key="k"), "DELETE, GET, PUT"),
    ],
)
def test_trap_77_a_method_that_is_not_allowed_hears_which_are(asked: Request, allowed: str) -> None:
    """405 and Allow."""
    with pytest.raises(S3Error) as caught:
        operations.found(asked, KNOWN)
    assert caught.value.code == "MethodNotAllowed"
    assert caught.value.headers == {"Allow": allowed}
