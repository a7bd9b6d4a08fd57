"""Laws of who is let in as another cluster's container sync."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from one_request import Environ, Reply, ask

from apus.common import info
from apus.common.http.answer import Answer
from apus.common.http.wsgi import WSGIApp
from apus.common.sync_realms import signature, wire_path
from apus.proxy.authorization import denial
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import container_sync

REALMS = (
    "[US]\nkey = realm-key\nkey2 = older-key\ncluster_one = http://one/v1/\ncluster_two = http://two/v1/\n"
)
PATH = "/v1/AUTH_a/c/o"
MOMENT = "1700000000.00000"


class Store:
    """A proxy that knows one container."""

    def __init__(self, container: ContainerInfo) -> None:
        self.container = container

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return AccountInfo(status=204)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return self.container

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        return Answer(200)(environ, start_response)


@pytest.fixture
def realms(tmp_path: Path) -> Path:
    (tmp_path / "container-sync-realms.conf").write_text(REALMS)
    return tmp_path


def sync(folder: Path, container: ContainerInfo | None = None, **options: str) -> WSGIApp:
    store = Store(container or ContainerInfo(status=204, sync_key="user-key"))
    return container_sync.filter_factory({}, swift_dir=str(folder), **options)(store)


def put(
    filter_: WSGIApp,
    *,
    path: str = PATH,
    realm_key: str = "realm-key",
    auth: str | None = None,
) -> Reply:
    signed = signature(
        "PUT",
        wire_path(path.encode("latin-1").decode()),
        MOMENT,
        "n",
        realm_key=realm_key,
        user_key="user-key",
    )
    headers = {
        "X-Container-Sync-Auth": f"us n {signed}" if auth is None else auth,
        "X-Backend-Inbound-X-Timestamp": MOMENT,
    }
    return ask(filter_, "PUT", path, headers=headers)


@pytest.mark.parametrize("key", ["realm-key", "older-key"])
@pytest.mark.parametrize("path", [PATH, "/v1/AUTH_a/c/o p/\xc3\xa9"])
def test_both_keys_let_a_request_in(realms: Path, key: str, path: str) -> None:
    """With its own time, and without asking anybody else."""
    reply = put(sync(realms), path=path, realm_key=key)
    assert reply.status == 200
    assert reply.environ["HTTP_X_TIMESTAMP"] == MOMENT
    for override in ("swift.authorize_override", "swift.slo_override", "swift.symlink_override"):
        assert reply.environ[override] is True


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/AUTH_a/c/o", 200),
        ("/v1/AUTH_a/c/other", 200),
        ("/v1/AUTH_a/c", 200),
        ("/v1/AUTH_a/d/o", 401),
        ("/v1/AUTH_b/c/o", 401),
        ("/v1/AUTH_a", 401),
    ],
)
def test_the_proof_is_good_for_its_container_alone(realms: Path, path: str, status: int) -> None:
    """A copy from elsewhere, a bulk deletion, a link: each is asked about by its own path."""
    reply = put(sync(realms))
    refusal = denial({**reply.environ, "PATH_INFO": path}, ".r:*")
    assert (refusal.status if refusal else 200) == status
    refusal = denial({**reply.environ, "PATH_INFO": path, "apus.authorize": None}, ".r:*")
    assert (refusal.status if refusal else 200) == status


def test_a_head_is_of_the_link(realms: Path) -> None:
    """Stock's daemon asks how new what it may overwrite is, and follows nothing."""
    signed = signature("HEAD", PATH, MOMENT, "n", realm_key="realm-key", user_key="user-key")
    headers = {"X-Container-Sync-Auth": f"us n {signed}", "X-Backend-Inbound-X-Timestamp": MOMENT}
    assert ask(sync(realms), "HEAD", PATH, headers=headers).environ["QUERY_STRING"] == "symlink=get"
    assert put(sync(realms)).environ["QUERY_STRING"] == ""


@pytest.mark.parametrize(
    ("known", "shown", "moment", "opens"),
    [
        ("key", "key", "1", True),
        ("k\xc3\xa9y", "k\xc3\xa9y", "1", True),
        ("key", "other", "1", False),
        ("key", "key", None, False),
        ("key", None, "1", False),
        ("", "", "1", False),
        (None, None, "1", False),
    ],
)
def test_the_containers_own_key_opens_it(
    known: str | None, shown: str | None, moment: str | None, opens: bool
) -> None:
    """Where there is one, and the request has a time of its own."""
    said = {
        "swift_sync_key": known,
        "HTTP_X_CONTAINER_SYNC_KEY": shown,
        "HTTP_X_TIMESTAMP": moment,
    }
    environ = {key: value for key, value in said.items() if value is not None}
    assert container_sync.shows_sync_key(environ) is opens


@pytest.mark.parametrize("auth", ["us n wrong", "us n", "", "other n s", "us n \xff"])
def test_anything_else_is_401(realms: Path, auth: str) -> None:
    """Whatever is wrong, the answer is the same."""
    reply = put(sync(realms), auth=auth)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'SwiftContainerSync realm="AUTH_a"'
    assert b"contact cluster operator" in reply.body
    assert "swift.authorize_override" not in reply.environ


def test_another_realms_key_or_none_of_the_containers_lets_nobody_in(realms: Path) -> None:
    """Both keys are needed."""
    assert put(sync(realms), realm_key="guessed").status == 401
    assert put(sync(realms, ContainerInfo(status=204))).status == 401


def test_requests_without_the_header_pass_untouched(realms: Path) -> None:
    """They keep what the gatekeeper has set aside."""
    reply = ask(sync(realms), "PUT", PATH, headers={"X-Backend-Inbound-X-Timestamp": MOMENT})
    assert reply.status == 200
    assert "HTTP_X_TIMESTAMP" not in reply.environ
    assert "swift.authorize_override" not in reply.environ


def test_full_urls_may_be_forbidden(realms: Path) -> None:
    """Then only clusters of a realm remain."""
    filter_ = sync(realms, allow_full_urls="no")
    for value, status in (("http://127.0.0.1/v1/a/c", 400), ("//us/one/a/c", 200)):
        assert ask(filter_, "POST", "/v1/AUTH_a/c", headers={"X-Container-Sync-To": value}).status == status
    filter_ = sync(realms)
    headers = {"X-Container-Sync-To": "http://127.0.0.1/v1/a/c"}
    assert ask(filter_, "POST", "/v1/AUTH_a/c", headers=headers).status == 200


def test_versioned_containers_are_not_synchronised(realms: Path) -> None:
    """Their links would mean nothing over there."""
    versioned = ContainerInfo(status=204, sysmeta={"versions-container": "v"})
    headers = {"X-Container-Sync-To": "//us/one/a/c"}
    assert ask(sync(realms, versioned), "POST", "/v1/AUTH_a/c", headers=headers).status == 400


def test_capabilities_name_realms_and_clusters(realms: Path) -> None:
    """And which of them this cluster is; what the file says now counts, not what it said at start."""
    ask(sync(realms, current="//us/one"), "GET", "/info")
    clusters = info.public()["container_sync"]["realms"]["US"]["clusters"]
    assert clusters == {"ONE": {"current": True}, "TWO": {}}
