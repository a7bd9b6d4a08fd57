"""Which requests the log tells of, as the door passes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from one_request import Environ, Reply, ask

from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import tempauth
from apus.proxy.middleware.s3 import door
from apus.proxy.middleware.s3.access_logging.recording import Known
from apus.proxy.middleware.s3.configuration import documents

LOGGED = (
    "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix/></LoggingEnabled>"
    "</BucketLoggingStatus>"
)


class Store:
    """A proxy application with a bucket that has a log, open to everybody."""

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return AccountInfo(status=204)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        kept = documents.packed("logging", LOGGED, {}) if container == "logged" else {}
        sysmeta = {name.lower().removeprefix("x-container-sysmeta-"): kept[name] for name in kept}
        return ContainerInfo(status=204, read_acl=".r:*,.rlistings", sysmeta=sysmeta)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/missing"):
            return Answer(404)(environ, start_response)
        environ["apus.acl"] = ".r:*,.rlistings"
        refusal: Answer | None = environ["apus.authorize"](environ)
        return (refusal or Answer(200, {"Etag": "e"}, b"content"))(environ, start_response)


@pytest.fixture
def app(tmp_path: Path) -> Any:
    auth = tempauth.filter_factory(
        {}, user_test_tester="testing .admin", token_secret="a secret of more than sixteen characters"
    )
    made = door.filter_factory({}, access_log_spool=str(tmp_path), access_log_seconds="3600")
    return made(auth(Store()))


def told(folder: Path) -> list[str]:
    """Return what waits, each line from its operation to the request's own words."""
    found = (path.read_text() for path in folder.glob("*.log"))
    return [line for text in found for line in re.findall(r"REST\.[A-Z.]+ [^\\]*", text)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/AUTH_test:logged/a%20key", r"REST\.GET\.OBJECT a%20key "),
        ("/AUTH_test:logged/missing", r"REST\.GET\.OBJECT missing "),
        ("/v1/AUTH_test/logged/key", r"REST\.GET\.OBJECT key "),
    ],
)
def test_requests_of_both_doors_are_told(app: Any, tmp_path: Path, path: str, expected: str) -> None:
    """One line each, whatever came of them."""
    ask(app, "GET", path.replace("%20", " "))
    (line,) = told(tmp_path)
    assert re.match(expected, line)


@pytest.mark.parametrize("path", ["/AUTH_test:other/key", "/v1/AUTH_test/other/key", "/v1/AUTH_test"])
def test_a_bucket_without_a_log_pays_nothing(
    app: Any, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is noted of a request that will not be told."""
    monkeypatch.setattr(Known, "of", None)
    reply: Reply = ask(app, "GET", path)
    assert reply.status in (200, 401)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_harms_no_request(app: Any, tmp_path: Path) -> None:
    """The spool's folder is gone, and cannot be made again."""
    tmp_path.rmdir()
    tmp_path.write_text("in the way")
    assert ask(app, "GET", "/AUTH_test:logged/key").body == b"content"
