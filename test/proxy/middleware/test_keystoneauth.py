"""Laws of authorisation by Keystone's roles, through the filter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from one_request import Environ, Reply, ask

from apus.common import info
from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import keystoneauth

WHO = {
    "X-Identity-Status": "Confirmed",
    "X-User-Id": "u1",
    "X-User-Name": "joe",
    "X-Project-Id": "p1",
    "X-Project-Name": "demo",
    "X-User-Domain-Id": "default",
    "X-Project-Domain-Id": "default",
    "X-Roles": "swiftoperator",
}
V3: Environ = {"keystone.token_info": {"token": {}}}


class Store:
    """A proxy application that asks the auth filter as the controllers do."""

    def __init__(self, acl: str | None = None, account: AccountInfo | None = None) -> None:
        self.acl = acl
        self.account = account or AccountInfo(status=204, really_exists=True)
        self.answer_headers: dict[str, str] = {}

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return self.account

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        refusal: Answer | None = None
        if "apus.authorize" in environ:
            environ["apus.acl"] = self.acl
            refusal = environ["apus.authorize"](environ)
        return (refusal or Answer(200, dict(self.answer_headers), b"done"))(environ, start_response)


def auth(app: Store | None = None, **options: str) -> keystoneauth.KeystoneAuth:
    return keystoneauth.filter_factory({}, **options)(app or Store())


def get(filter_: keystoneauth.KeystoneAuth, path: str, method: str = "GET", **more: str) -> Reply:
    headers = {**WHO, **{name.replace("_", "-"): value for name, value in more.items()}}
    return ask(filter_, method, path, headers=headers, environ=dict(V3))


def test_the_projects_operators_own_its_account() -> None:
    """And the access log says who they were."""
    reply = get(auth(), "/v1/AUTH_p1/c/o", "PUT")
    assert reply.status == 200
    assert reply.environ["swift_owner"] is True
    assert reply.environ["apus.owner"] is True
    assert reply.environ["swift.access_logging"] == {"user_id": "u1"}


def test_strangers_get_401_and_the_known_403() -> None:
    """The former with the account as realm."""
    reply = ask(auth(), "GET", "/v1/AUTH_p1/c")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Swift realm="AUTH_p1"'
    assert get(auth(), "/v1/AUTH_p2/c").status == 403


def test_reseller_admins_are_marked() -> None:
    """So that quotas can be set by them alone."""
    reply = get(auth(), "/v1/AUTH_p2", "POST", X_Roles="reselleradmin")
    assert reply.status == 200
    assert reply.environ["reseller_request"] is True


def test_owning_one_account_is_forgotten_for_the_next() -> None:
    """As when a COPY goes on to another account."""
    filter_ = auth(Store(acl="p1:*"))
    reply = ask(
        filter_,
        "GET",
        "/v1/AUTH_p2/c/o",
        headers=WHO,
        environ={**V3, "swift_owner": True, "apus.owner": True},
    )
    assert reply.status == 200
    assert "swift_owner" not in reply.environ
    assert "apus.owner" not in reply.environ


def test_earlier_filters_may_authorise_by_themselves() -> None:
    """As tempurl does; allow_overrides = false forbids it."""
    environ = {"swift.authorize_override": True}
    assert ask(auth(), "GET", "/v1/AUTH_p1/c/o", environ=dict(environ)).status == 200
    refusing = auth(allow_overrides="false")
    assert ask(refusing, "GET", "/v1/AUTH_p1/c/o", environ=dict(environ)).status == 401


def test_paths_that_name_nothing_are_404() -> None:
    """Before anybody asks who it is."""
    assert ask(auth(), "GET", "/v1//c").status == 404


@pytest.mark.parametrize(
    ("account", "status"),
    [
        (AccountInfo(status=204, really_exists=True, sysmeta={"project-domain-id": "default"}), 200),
        (AccountInfo(status=204, really_exists=True), 200),
        (AccountInfo(status=204, really_exists=True, sysmeta={"project-domain-id": "d1"}), 403),
        (AccountInfo(status=204, really_exists=False), 403),
    ],
)
def test_names_on_lists_ask_for_the_accounts_domain(account: AccountInfo, status: int) -> None:
    """Names count where the account is of the default domain, or older than domains."""
    assert get(auth(Store(acl="demo:joe", account=account)), "/v1/AUTH_p2/c/o").status == status


def test_a_new_accounts_domain_is_stored_with_it() -> None:
    """Its own project's, or that it is not known."""
    store = Store(account=AccountInfo(status=204, really_exists=False))
    key = keystoneauth.DOMAIN_KEY
    assert get(auth(store), "/v1/AUTH_p1/c", "PUT").environ[key] == "default"
    assert get(auth(store), "/v1/AUTH_p2", "PUT", X_Roles="ResellerAdmin").environ[key] == "_unknown"
    assert key not in get(auth(store), "/v1/AUTH_p1/c/o", "PUT").environ
    assert key not in get(auth(store), "/v1/AUTH_p1/c", "POST").environ


def test_an_accounts_answer_tells_its_domain() -> None:
    """Under a name that the gatekeeper lets pass."""
    store = Store()
    store.answer_headers = {"X-Account-Sysmeta-Project-Domain-Id": "d1"}
    assert get(auth(store), "/v1/AUTH_p1", "HEAD").headers["x-account-project-domain-id"] == "d1"


def test_a_bad_access_list_is_refused_by_the_same_grammar() -> None:
    """The filter brings stock's cleaner along."""
    reply = get(auth(), "/v1/AUTH_p1/c", "PUT")
    with pytest.raises(ValueError, match="Referrers not allowed"):
        reply.environ["swift.clean_acl"]("X-Container-Write", ".r:*")


def test_is_admin_is_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """It is said at start, and means nothing."""
    with caplog.at_level(logging.WARNING):
        filter_ = auth(is_admin="true")
    assert "is_admin" in caplog.text
    assert get(filter_, "/v1/AUTH_p1/c", X_Roles="x", X_Project_Name="joe").status == 403


def test_roles_may_differ_by_prefix() -> None:
    """The unprefixed option is for all prefixes that have none of their own."""
    options = {"reseller_prefix": "AUTH, ''", "operator_roles": "one", "''operator_roles": "two"}
    filter_ = keystoneauth.filter_factory({}, **options)(Store())
    assert get(filter_, "/v1/AUTH_p1/c", X_Roles="ONE").status == 200
    assert get(filter_, "/v1/AUTH_p1/c", X_Roles="two").status == 403
    assert get(filter_, "/v1/p1/c", X_Roles="two").status == 200
    assert get(filter_, "/v1/p1/c", X_Roles="one").status == 403


def test_capabilities_name_it() -> None:
    """GET /info says which auth filter answers."""
    auth()
    assert info.public()["keystoneauth"] == {}


def test_what_auth_token_leaves_empty_is_no_header() -> None:
    """The proxy measures the length of every one."""
    nothing = {"HTTP_X_SERVICE_ROLES": None, "HTTP_X_DOMAIN_ID": None}
    reply = ask(auth(), "PUT", "/v1/AUTH_p1/c", headers=WHO, environ={**V3, **nothing})
    assert reply.status == 200
    assert not nothing.keys() & reply.environ.keys()
