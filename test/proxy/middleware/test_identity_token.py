"""The store believes the identity service's tokens and access keys, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from keystone_world import PASSWORDS, Realm, project
from one_request import Environ, Reply, ask

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.identity import Login, Verifier
from apus.common.identity.asking import Heard
from apus.common.identity.notice_board import FolderBoard
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import keystoneauth
from apus.proxy.middleware.access_keys import KNOWN_CALLER
from apus.proxy.middleware.identity_keys import AccessKeys
from apus.proxy.middleware.identity_token import IdentityToken
from apus.proxy.middleware.s3.errors import S3Error


class Store:
    """A proxy application that asks the auth filter as the controllers do."""

    acl: str | None = None

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return AccountInfo(status=204, really_exists=True)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["apus.acl"] = self.acl
        refusal = environ["apus.authorize"](environ)
        return (refusal or Answer(200, {}, b"done"))(environ, start_response)


class Front:
    """The store's filters before an identity service of this process."""

    def __init__(self, folder: Path) -> None:
        self.realm = Realm.made(folder)
        self.now = 0.0
        self.asked: list[str] = []
        self.reachable = True
        login = Login(
            identity_url="http://identity", user="cloud", password=PASSWORDS["cloud"], project="service"
        )
        keys = AccessKeys(login, asking=self._asking, clock=lambda: self.now)
        self.store = Store()
        auth = keystoneauth.filter_factory({})(self.store)
        board = FolderBoard(self.realm.world.config.token_keys)
        verifier = Verifier(board, service_type="object-store")
        self.filter = IdentityToken(auth, verifier, keys, account_prefix="AUTH_")
        self.demo = self.realm.founded.projects["demo"]

    def _asking(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Heard:
        if not self.reachable:
            raise Unavailable("nobody there")
        self.asked.append(f"{method} {url.removeprefix('http://identity')}")
        document = json.loads(body) if body else None
        path = url.removeprefix("http://identity")
        reply = self.realm.call(method, path, document, token=headers.get("X-Auth-Token", ""))
        return Heard(reply.status, reply.headers, reply.body)

    def get(self, path: str, **headers: str) -> Reply:
        return ask(
            self.filter, "GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def key(self) -> dict[str, str]:
        token = self.realm.log_in("demo", project("demo"))
        shown = self.realm.call("GET", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})
        user = shown.json()["token"]["user"]["id"]
        path = f"/v3/users/{user}/credentials/OS-EC2"
        made: dict[str, str] = self.realm.call("POST", path, {"tenant_id": self.demo}, token=token).json()[
            "credential"
        ]
        return made


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Front:
    return Front(tmp_path_factory.mktemp("front"))


def test_a_project_owns_its_account(front: Front) -> None:
    """With an operator's role one owns the account of the token's project, and no other."""
    token = front.realm.log_in("demo", project("demo"))
    reply = front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token)
    assert (reply.status, reply.environ["swift_owner"]) == (200, True)
    assert front.get("/v1/AUTH_other", X_Auth_Token=token).status == 403
    assert front.get(f"/v1/AUTH_{front.demo}").status == 401
    assert front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token="forged").status == 401


def test_a_reseller_admin_owns_all_accounts(front: Front) -> None:
    """The role ResellerAdmin is good for every account."""
    token = front.realm.log_in("admin", project("admin"))
    assert front.get("/v1/AUTH_any", X_Auth_Token=token).status == 200


def test_lists_name_projects_and_users(front: Front) -> None:
    """A container's list lets in by the ids of a project and a user."""
    token = front.realm.log_in("demo", project("demo"))
    shown = front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token).environ
    front.store.acl = f"{shown['HTTP_X_PROJECT_ID']}:{shown['HTTP_X_USER_ID']}"
    try:
        assert front.get("/v1/AUTH_other/c/o", X_Auth_Token=token).status == 200
        front.store.acl = "somebody:else"
        assert front.get("/v1/AUTH_other/c/o", X_Auth_Token=token).status == 403
    finally:
        front.store.acl = None


def test_nobody_says_who_they_are(front: Front) -> None:
    """Trap: headers that the filter sets are lies when they come from a client."""
    lies = {
        "X_Identity_Status": "Confirmed",
        "X_Service_Identity_Status": "Confirmed",
        "X_Roles": "ResellerAdmin",
        "X_Project_Id": front.demo,
        "X_User_Id": "x",
    }
    assert front.get(f"/v1/AUTH_{front.demo}", **lies).status == 401
    token = front.realm.log_in("demo", project("demo"))
    assert front.get("/v1/AUTH_other", X_Auth_Token=token, **lies).status == 403


def test_a_revoked_token_is_refused(front: Front) -> None:
    """At once, where the store shares the folder with the identity service."""
    token = front.realm.log_in("demo", project("demo"))
    assert front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token).status == 200
    front.realm.call("DELETE", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})
    assert front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token).status == 401


def test_a_service_token_is_judged_too(front: Front) -> None:
    """A bad one makes the request nobody's; a good one adds its roles."""
    token = front.realm.log_in("demo", project("demo"))
    service = front.realm.log_in("cloud", project("service"))
    path = f"/v1/AUTH_{front.demo}"
    assert front.get(path, X_Auth_Token=token, X_Service_Token="forged").status == 401
    reply = front.get(path, X_Auth_Token=token, X_Service_Token=service)
    assert "service" in reply.environ["HTTP_X_SERVICE_ROLES"].split(",")


def test_access_rules_bind_at_the_store(front: Front) -> None:
    """An application credential that may only read one container does that and nothing else."""
    token = front.realm.log_in("demo", project("demo"))
    user = front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token).environ["HTTP_X_USER_ID"]
    rule = {"service": "object-store", "method": "GET", "path": f"/v1/AUTH_{front.demo}/open/**"}
    document = {"application_credential": {"name": "rules", "access_rules": [rule]}}
    path = f"/v3/users/{user}/application_credentials"
    made = front.realm.call("POST", path, document, token=token).json()["application_credential"]
    shown = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": shown}
    limited = front.realm.ask_token(identity).headers["x-subject-token"]
    assert front.get(f"/v1/AUTH_{front.demo}/open/o", X_Auth_Token=limited).status == 200
    assert front.get(f"/v1/AUTH_{front.demo}/secret/o", X_Auth_Token=limited).status == 401


def test_an_access_key_is_asked_for_once(front: Front) -> None:
    """It is remembered for a minute; whoever signs with it is the user in the project."""
    key = front.key()
    front.asked.clear()
    for _ in range(3):
        secret = front.filter.s3_secret(key["access"])
        assert secret is not None
        assert (secret.key, secret.account) == (key["secret"], f"AUTH_{front.demo}")
    assert len([each for each in front.asked if "access_keys" in each]) == 1
    front.now += 61
    assert front.filter.s3_secret(key["access"]) is not None
    assert len([each for each in front.asked if "access_keys" in each]) == 2
    assert secret is not None
    reply = ask(front.filter, "GET", f"/v1/{secret.account}", environ={KNOWN_CALLER: secret.caller})
    assert reply.status == 200
    assert ask(front.filter, "GET", "/v1/AUTH_other", environ={KNOWN_CALLER: secret.caller}).status == 403


def test_a_removed_access_key_ends_at_once(front: Front) -> None:
    """The published revocations end what is remembered; so does a user who is disabled."""
    key = front.key()
    assert front.filter.s3_secret(key["access"]) is not None
    token = front.realm.log_in("demo", project("demo"))
    path = f"/v3/users/{key['user_id']}/credentials/OS-EC2/{key['access']}"
    assert front.realm.call("DELETE", path, token=token).status == 204
    assert front.filter.s3_secret(key["access"]) is None
    other, url = front.key(), f"/v3/users/{key['user_id']}"
    assert front.filter.s3_secret(other["access"]) is not None
    for enabled in (False, True):
        document = {"user": {"enabled": enabled}}
        assert front.realm.call("PATCH", url, document, token=front.realm.admin).status == 200
        if not enabled:
            assert front.filter.s3_secret(other["access"]) is None


def test_nobodys_key_is_remembered_as_such(front: Front) -> None:
    """Whoever tries keys does not make the proxy ask for each of them again."""
    front.asked.clear()
    assert front.filter.s3_secret("nobodys") is None
    assert front.filter.s3_secret("nobodys") is None
    assert len([each for each in front.asked if "access_keys" in each]) == 1


def test_a_silent_identity_service_is_no_refusal(front: Front) -> None:
    """S3's clients hear that it is unavailable, and try again; tokens are checked all the same."""
    token = front.realm.log_in("demo", project("demo"))
    front.reachable = False
    try:
        with pytest.raises(S3Error) as caught:
            front.filter.s3_secret("unknown")
        assert caught.value.code == "ServiceUnavailable"
        assert front.get(f"/v1/AUTH_{front.demo}", X_Auth_Token=token).status == 200
    finally:
        front.reachable = True


def test_our_own_token_is_renewed(front: Front) -> None:
    """When it has been ended, by a new password or a new key, the proxy logs in again."""
    key = front.key()
    assert front.filter.s3_secret(key["access"]) is not None
    service = front.realm.log_in("cloud", project("service"))
    shown = front.realm.call("GET", "/v3/auth/tokens", token=service, headers={"X-Subject-Token": service})
    front.realm.world.change(lambda change: change.revoke(user_id=shown.json()["token"]["user"]["id"]))
    front.now += 61
    front.asked.clear()
    assert front.filter.s3_secret(key["access"]) is not None
    assert [each.split("?")[0].split("/access_keys")[0] for each in front.asked] == [
        "GET /v3/apus",
        "POST /v3/auth/tokens",
        "GET /v3/apus",
    ]
