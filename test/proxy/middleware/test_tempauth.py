"""Laws of authentication from the configuration, end to end through the filter."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import Environ, FixedApp, Reply, ask

from apus.common import info
from apus.common.errors import Refused
from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import tempauth, tokens
from apus.proxy.middleware.access_keys import KNOWN_CALLER

SECRET = "a secret of more than sixteen characters"
USERS = {
    "user_admin_admin": "admin .admin .reseller_admin",
    "user_admin_auditor": "admin_ro .reseller_reader",
    "user_test_tester": "testing .admin",
    "user_test_tester3": "testing3",
    "user_test2_tester2": "testing2 .admin",
    "user_test5_tester5": "testing5 service",
    "user64_w6lxdWlwZQ_dV9z": "schlüssel .admin",  # équipe:u_s
}


class Store:
    """A proxy application that asks the auth filter as the controllers do, and keeps account lists."""

    def __init__(self, acl: str | None = None, account_acl: str | None = None) -> None:
        self.acl = acl
        self.account_acl = account_acl
        self.seen: list[Environ] = []

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        sysmeta = {"core-access-control": self.account_acl} if self.account_acl else {}
        return AccountInfo(status=204, sysmeta=sysmeta)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        environ["apus.acl"] = self.acl
        refusal: Answer | None = environ["apus.authorize"](environ)
        return (refusal or Answer(200, {}, b"done"))(environ, start_response)


def auth(app: Any = None, **options: str) -> tempauth.TempAuth:
    return tempauth.filter_factory({}, **{**USERS, "token_secret": SECRET, **options})(app or Store())


def token_of(filter_: tempauth.TempAuth, user: str, key: str) -> str:
    reply = ask(filter_, path="/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key})
    assert reply.status == 200
    return reply.headers["x-auth-token"]


def get(filter_: tempauth.TempAuth, path: str, token: str, method: str = "GET", **headers: str) -> Reply:
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(filter_, method, path, headers={"X-Auth-Token": token, **extra})


# --- asking for a token -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
        ("/auth/v1.0/", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
        ("/auth/v1.0", {"X-Storage-User": "test:tester", "X-Storage-Pass": "testing"}),
        ("/auth/auth", {"X-Auth-User": "test:tester", "X-Storage-Pass": "testing"}),
        ("/auth/v1/test/auth", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
        ("/auth/v1/test/auth", {"X-Storage-User": "tester", "X-Storage-Pass": "testing"}),
    ],
)
def test_every_historic_form_gives_a_token(path: str, headers: dict[str, str]) -> None:
    """Token, storage token, life and URL come in headers."""
    reply = ask(auth(), path=path, headers=headers)
    assert reply.status == 200
    assert reply.headers["x-auth-token"] == reply.headers["x-storage-token"]
    assert reply.headers["x-auth-token"].startswith("AUTH_tk")
    assert reply.headers["x-storage-url"] == "http://store.example/v1/AUTH_test"
    assert reply.headers["x-auth-token-expires"] == "86400"
    assert reply.environ["swift.access_logging"] == {"user_id": "test:tester"}


@pytest.mark.parametrize(
    ("path", "headers", "realm"),
    [
        ("/auth/v1.0", {}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": "tester", "X-Auth-Key": "testing"}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:nobody", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": 'a"b\xff:x', "X-Auth-Key": "k"}, "a%22b%C3%BF"),
        ("/auth/v1/other/auth", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}, "other"),
        ("/auth/v1/test/auth", {"X-Storage-User": "nobody", "X-Auth-Key": "testing"}, "test"),
    ],
)
def test_wrong_credentials_are_401(path: str, headers: dict[str, str], realm: str) -> None:
    """Whatever is wrong, the answer is the same, and names the realm."""
    reply = ask(auth(), path=path, headers=headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == f'Swift realm="{realm}"'
    assert "x-auth-token" not in reply.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/auth/", 404),
        ("GET", "/auth/v2.0", 400),
        ("GET", "/auth/v1", 400),
        ("GET", "/auth/v1/test", 400),
        ("GET", "/auth/v1/test/other", 400),
        ("POST", "/auth/v1.0", 405),
        ("HEAD", "/auth/v1.0", 405),
    ],
)
def test_other_paths_and_methods_give_nothing(method: str, path: str, status: int) -> None:
    """Only GET of a known form is answered."""
    credentials = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
    assert ask(auth(), method, path, headers=credentials).status == status


def test_names_and_keys_may_be_any_utf8() -> None:
    """As the client sends them: UTF-8 bytes in a WSGI string; the URL's account is percent-encoded."""
    headers = {
        name: text.encode().decode("latin-1")
        for name, text in {"X-Auth-User": "équipe:u_s", "X-Auth-Key": "schlüssel"}.items()
    }
    filter_ = auth()
    reply = ask(filter_, path="/auth/v1.0", headers=headers)
    assert reply.status == 200
    assert reply.headers["x-storage-url"].endswith("/v1/AUTH_%C3%A9quipe")
    path = "/v1/AUTH_équipe".encode().decode("latin-1")
    assert get(filter_, path, reply.headers["x-auth-token"]).status == 200


def test_the_scheme_of_the_url_can_be_set() -> None:
    """Behind a TLS terminator."""
    reply = ask(
        auth(storage_url_scheme="https"),
        path="/auth/v1.0",
        headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"},
    )
    assert reply.headers["x-storage-url"] == "https://store.example/v1/AUTH_test"


def test_tokens_may_be_asked_for_elsewhere() -> None:
    """auth_prefix, with or without slashes."""
    for prefix in ("login", "/login", "/login/"):
        reply = ask(
            auth(auth_prefix=prefix),
            path="/login/v1.0",
            headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"},
        )
        assert reply.status == 200


# --- being known by a token ---------------------------------------------------------------------


def test_any_worker_knows_a_token() -> None:
    """Two filters that share nothing but the configuration accept each other's tokens."""
    token = token_of(auth(), "test:tester", "testing")
    app = Store()
    reply = get(auth(app), "/v1/AUTH_test/c/o", token)
    assert reply.status == 200
    assert app.seen[0]["REMOTE_USER"] == "test,test:tester,AUTH_test"
    assert app.seen[0]["swift_owner"] is True
    assert app.seen[0]["apus.owner"] is True


@pytest.mark.parametrize(
    "options",
    [
        {"token_secret": "another secret of the operators"},
        {"user_test_tester": "changed .admin"},
        {"user_test_tester": "testing-longer .admin"},
    ],
)
def test_a_token_ends_with_the_secret_or_the_password(options: dict[str, str]) -> None:
    """Either of them changed, it is worth nothing."""
    token = token_of(auth(), "test:tester", "testing")
    assert get(auth(**options), "/v1/AUTH_test", token).status == 401


def test_secrets_can_be_rotated() -> None:
    """The first secret signs, the others are still accepted."""
    old = token_of(auth(token_secret="old secret"), "test:tester", "testing")
    new = token_of(auth(token_secret="new secret, old secret"), "test:tester", "testing")
    both = auth(token_secret="new secret, old secret")
    assert [get(both, "/v1/AUTH_test", token).status for token in (old, new)] == [200, 200]
    assert get(auth(token_secret="new secret"), "/v1/AUTH_test", new).status == 200
    assert get(auth(token_secret="old secret"), "/v1/AUTH_test", new).status == 401


def test_a_token_of_a_removed_user_is_worth_nothing() -> None:
    """Rights are looked up, never carried."""
    token = token_of(auth(), "test:tester", "testing")
    others = {name: value for name, value in USERS.items() if name != "user_test_tester"}
    filter_ = tempauth.filter_factory({}, **others, token_secret=SECRET)(Store())
    assert get(filter_, "/v1/AUTH_test", token).status == 401


def test_a_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second before its end it is good, at its end no more; so for every use of it."""
    filter_ = auth(token_life="60")
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    token = token_of(filter_, "test:tester", "testing")
    for moment, status in ((1000.0, 200), (1059.9, 200), (1060.0, 401), (1e9, 401)):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert get(filter_, "/v1/AUTH_test", token).status == status


def test_tampering_is_noticed() -> None:
    """No changed character of a token leaves it valid."""
    filter_ = auth()
    token = token_of(filter_, "test:tester3", "testing3")
    for position in range(len("AUTH_tk"), len(token)):
        for other in "AB_":
            forged = token[:position] + other + token[position + 1 :]
            if forged != token and _blob(forged) != _blob(token):
                assert get(filter_, "/v1/AUTH_test", forged).status == 401


def _blob(token: str) -> bytes:
    text = token.removeprefix("AUTH_tk")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_another_users_name_cannot_be_put_into_a_token() -> None:
    """Not even with a key of one's own."""
    key = tokens.signing_key(SECRET.encode(), "test:tester3", "testing3")
    forged = "AUTH_tk" + tokens.sign("test:tester", 2**33, key=key)
    assert get(auth(), "/v1/AUTH_test", forged).status == 401


@pytest.mark.parametrize(
    "token", ["AUTH_", "AUTH_tk", "AUTH_tkx", "AUTH_tk" + "0" * 32, "AUTH_tk\xff", "AUTH_tk="]
)
def test_junk_with_our_prefix_is_401(token: str) -> None:
    """At once, with the account as the realm, and the application is not asked."""
    app = Store()
    reply = get(auth(app), "/v1/AUTH_test/c", token)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Swift realm="AUTH_test"'
    assert not app.seen


def test_x_storage_token_is_as_good() -> None:
    """Old clients send it."""
    filter_ = auth()
    token = token_of(filter_, "test:tester", "testing")
    assert ask(filter_, path="/v1/AUTH_test", headers={"X-Storage-Token": token}).status == 200


FERNET = {"fernet_key_k1": "A" * 43 + "=", "active_fernet_key_id": "k1"}


def test_tokens_can_be_of_stock_swifts_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its keys they are issued, believed by every proxy that has them, and end as others do."""
    filter_ = auth(token_life="60", **FERNET)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    token = token_of(filter_, "test:tester", "testing")
    assert token.startswith(("AUTH_ftk", "AUTH_zftk"))
    app = Store()
    theirs = auth(app, token_life="60", **FERNET)
    assert [get(theirs, "/v1/AUTH_test/c", token).status for _ in range(2)] == [200, 200]
    assert app.seen[0]["REMOTE_USER"] == "test,test:tester,AUTH_test"
    assert app.seen[0]["swift.access_logging"] == {"user_id": "test:tester"}
    assert get(auth(), "/v1/AUTH_test", token).status == 401
    monkeypatch.setattr(time, "time", lambda: 1061.0)
    assert get(theirs, "/v1/AUTH_test", token).status == 401


def test_both_kinds_of_token_are_good_at_once() -> None:
    """So that a cluster can change from one to the other."""
    ours = token_of(auth(), "test:tester", "testing")
    assert get(auth(**FERNET), "/v1/AUTH_test", ours).status == 200


def test_few_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded, and no forged token gets into it."""
    filter_ = auth(**FERNET)
    monkeypatch.setattr(tempauth, "GENUINE_MAX", 3)
    for _ in range(10):
        get(filter_, "/v1/AUTH_test", token_of(filter_, "test:tester", "testing"))
    assert 0 < len(filter_._genuine) <= 3
    get(filter_, "/v1/AUTH_test", "AUTH_tkjunk")
    assert "AUTH_tkjunk" not in filter_._genuine


# --- what one may do ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "key", "method", "path", "acl", "status"),
    [
        ("test:tester", "testing", "GET", "/v1/AUTH_test", None, 200),
        ("test:tester", "testing", "PUT", "/v1/AUTH_test", None, 403),
        ("test:tester", "testing", "GET", "/v1/AUTH_test2", None, 403),
        ("test:tester", "testing", "GET", "/v1/AUTH_test2/c", "test", 200),
        ("test:tester3", "testing3", "GET", "/v1/AUTH_test", None, 403),
        ("test:tester3", "testing3", "GET", "/v1/AUTH_test/c", "test:tester3", 200),
        ("admin:admin", "admin", "PUT", "/v1/AUTH_new", None, 200),
        ("admin:auditor", "admin_ro", "GET", "/v1/AUTH_new/c/o", None, 200),
        ("admin:auditor", "admin_ro", "PUT", "/v1/AUTH_new/c/o", None, 403),
        ("test:tester", "testing", "GET", "/v1/OTHER_test", None, 403),
        ("test:tester", "testing", "GET", "/v1", None, 403),
        ("test:tester", "testing", "GET", "/", None, 403),
        ("test:tester", "testing", "GET", "/v1//c", None, 404),
        ("test:tester", "testing", "GET", "/v1/AUTH_test//o", None, 404),
    ],
)
def test_a_token_opens_what_its_user_may(  # noqa: PLR0913, RUF100
    user: str, key: str, method: str, path: str, acl: str | None, status: int
) -> None:
    """403 to somebody known; only the application's list gives others access."""
    filter_ = auth(Store(acl))
    assert get(filter_, path, token_of(filter_, user, key), method).status == status


@pytest.mark.parametrize(
    ("path", "acl", "referrer", "status"),
    [
        ("/v1/AUTH_test/c/o", None, None, 401),
        ("/v1/AUTH_test/c/o", ".r:*", None, 200),
        ("/v1/AUTH_test/c", ".r:*", None, 401),
        ("/v1/AUTH_test/c", ".r:*,.rlistings", None, 200),
        ("/v1/AUTH_test/c/o", ".r:good.example", "http://good.example/", 200),
        ("/v1/AUTH_test/c/o", ".r:good.example", "http://bad.example/", 401),
        ("/v1/OTHER_test/c/o", ".r:*", None, 401),
        ("/v1/AUTH_/c/o", None, None, 401),
    ],
)
def test_strangers_are_401_but_for_referrer_lists(
    path: str, acl: str | None, referrer: str | None, status: int
) -> None:
    """And the refusal says in whose realm to ask for a token."""
    reply = ask(auth(Store(acl)), path=path, headers={"Referer": referrer} if referrer else {})
    assert reply.status == status
    if status == 401:
        assert reply.headers["www-authenticate"] == f'Swift realm="{path.split("/")[2]}"'


def test_a_service_token_adds_its_groups() -> None:
    """SERVICE_ accounts need both; a service token alone, or a broken one, gives nothing."""
    options = {"reseller_prefix": "AUTH, SERVICE", "SERVICE_require_group": "service"}
    filter_ = auth(**options)
    user, service = (
        token_of(filter_, "test:tester", "testing"),
        token_of(filter_, "test5:tester5", "testing5"),
    )
    path = "/v1/SERVICE_test/c"
    assert get(filter_, path, user).status == 403
    assert get(filter_, path, user, X_Service_Token=service).status == 200
    assert get(filter_, path, user, X_Service_Token="AUTH_tkjunk").status == 403
    assert get(filter_, path, service).status == 403
    assert ask(filter_, path=path, headers={"X-Service-Token": service}).status == 401


def test_the_containers_own_sync_key_opens_it() -> None:
    """Which is how another cluster's container sync comes without a realm."""
    headers = {"X-Container-Sync-Key": "key", "X-Timestamp": "1700000000.00000"}
    known = {"swift_sync_key": "key"}
    for extra, status in ((headers, 200), ({**headers, "X-Container-Sync-Key": "other"}, 401), ({}, 401)):
        assert ask(auth(), "PUT", "/v1/AUTH_test/c/o", headers=extra, environ=dict(known)).status == status


def test_an_account_list_gives_access() -> None:
    """It is asked only where nothing else decides, and a spoilt one gives nothing."""
    for stored, status in (
        ('{"read-only": ["test2"]}', 200),
        ('{"admin": ["x"]}', 403),
        ("junk", 403),
        (None, 403),
    ):
        filter_ = auth(Store(account_acl=stored))
        assert (
            get(filter_, "/v1/AUTH_test/c/o", token_of(filter_, "test2:tester2", "testing2")).status == status
        )


def test_an_account_list_is_stored_as_system_metadata() -> None:
    """A good one moves out of the clients' reach."""
    app = Store()
    filter_ = auth(app)
    value = json.dumps({"admin": ["test2"]})
    token = token_of(filter_, "test:tester", "testing")
    assert get(filter_, "/v1/AUTH_test", token, "POST", X_Account_Access_Control=value).status == 200
    assert app.seen[0]["HTTP_X_ACCOUNT_SYSMETA_CORE_ACCESS_CONTROL"] == value
    assert "HTTP_X_ACCOUNT_ACCESS_CONTROL" not in app.seen[0]


@pytest.mark.parametrize("value", ["junk", "[]", '{"x": []}', '{"admin": 1}', '{"admin": [2]}', "[" * 3000])
def test_a_bad_account_list_is_400(value: str) -> None:
    """With what is wrong in the text."""
    filter_ = auth()
    token = token_of(filter_, "test:tester", "testing")
    reply = get(filter_, "/v1/AUTH_test", token, "POST", X_Account_Access_Control=value)
    assert reply.status == 400
    assert reply.text.startswith("X-Account-Access-Control invalid: ")


@pytest.mark.parametrize(
    ("path", "realm"),
    [
        ("/v1/AUTH_a:b/c", "AUTH_a%3Ab"),
        ('/v1/AUTH_x"\nSet-Cookie: y', "AUTH_x%22%0ASet-Cookie%3A%20y"),
        ("/v1/AUTH_\xff", "AUTH_%FF"),
        ("/v1/AUTH_\xc3\xa9", "AUTH_%C3%A9"),
        ("/nowhere", "unknown"),
        ("", "unknown"),
    ],
)
@pytest.mark.parametrize("token", ["", "AUTH_tkjunk"])
def test_a_realm_cannot_break_out_of_its_header(path: str, realm: str, token: str) -> None:
    """Whatever bytes the path holds, with or without a token."""
    reply = ask(auth(), path=path, headers={"X-Auth-Token": token} if token else {})
    if reply.status != 404:
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == f'Swift realm="{realm}"'


# --- living with other filters ------------------------------------------------------------------


def test_an_earlier_filter_may_have_decided() -> None:
    """With allow_overrides, which is the default, and only then."""
    app = FixedApp()
    override = {"swift.authorize_override": True}
    assert ask(auth(app), path="/v1/AUTH_test", environ=override).status == 200
    assert "apus.authorize" not in app.seen[0]
    ask(auth(app, allow_overrides="false"), path="/v1/AUTH_test", environ=override)
    assert "apus.authorize" in app.seen[1]


def test_other_accounts_are_left_to_other_filters() -> None:
    """Who has taken charge of a request that is not ours keeps it."""
    theirs = {"swift.authorize": lambda request: None}
    app = FixedApp()
    ask(auth(app), path="/v1/OTHER_test", environ=theirs)
    assert "apus.authorize" not in app.seen[0]
    ask(auth(app), path="/v1/AUTH_test", environ=theirs)
    assert "apus.authorize" in app.seen[1]


def test_an_empty_prefix_is_not_definitive() -> None:
    """Foreign tokens pass to whoever comes next; without anybody else, they are refused."""
    filter_ = auth(reseller_prefix="''")
    assert get(filter_, "/v1/test/c", token_of(filter_, "test:tester", "testing")).status == 200
    assert get(filter_, "/v1/test/c", "foreign").status == 401
    assert ask(filter_, path="/v1/test/c").status == 401
    app = FixedApp()
    ask(
        auth(app, reseller_prefix="''"),
        path="/v1/x",
        environ={"swift.authorize": lambda request: None},
        headers={"X-Auth-Token": "foreign"},
    )
    assert "apus.authorize" not in app.seen[0]


def test_a_prefix_that_is_not_first_is_ours_too() -> None:
    """Strangers at a SERVICE_ account are judged by its lists."""
    filter_ = auth(Store(".r:*"), reseller_prefix="AUTH, SERVICE")
    assert ask(filter_, path="/v1/SERVICE_x/c/o").status == 200


def test_reseller_requests_are_marked() -> None:
    """Quotas look for it."""
    app = Store()
    filter_ = auth(app)
    get(filter_, "/v1/AUTH_x", token_of(filter_, "admin:admin", "admin"))
    assert app.seen[0]["reseller_request"] is True


# --- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"auth_prefix": "/"}, "auth_prefix"),
        ({"token_life": "soon"}, "token_life"),
        ({"token_life": "0"}, "token_life"),
        ({"allow_overrides": "maybe"}, "allow_overrides"),
        ({"user_a": "key"}, "user_a"),
    ],
)
def test_a_bad_setting_stops_the_start(options: dict[str, str], complaint: str) -> None:
    """The message names it."""
    with pytest.raises(Refused, match=complaint):
        auth(**options)


def test_a_filter_without_users_stops_the_start() -> None:
    """Nobody could ever come in."""
    with pytest.raises(Refused, match="no user"):
        tempauth.filter_factory({}, token_secret=SECRET)


def test_info_tells_of_account_lists() -> None:
    """As stock Swift's."""
    auth()
    assert info.public()["tempauth"] == {"account_acls": True}


def write_conf(folder: Path, suffix: str, secret: str = "") -> str:
    text = f"[swift-hash]\nswift_hash_path_suffix = {suffix}\n[apus]\ncluster_secret = {secret}\n"
    (folder / "swift.conf").write_text(text)
    return str(folder)


def test_the_secret_may_come_from_the_cluster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Proxies of one cluster agree without another setting; a guessable salt is complained of."""
    folder = write_conf(tmp_path, "long enough to be no guess")
    filters = [tempauth.filter_factory({"swift_dir": folder}, **USERS)(Store()) for _ in range(2)]
    assert get(filters[1], "/v1/AUTH_test", token_of(filters[0], "test:tester", "testing")).status == 200
    assert not caplog.records
    tempauth.filter_factory({"swift_dir": write_conf(tmp_path, "saio")}, **USERS)
    assert "guessable" in caplog.text


REQUESTS = st.fixed_dictionaries(
    {
        "REQUEST_METHOD": st.sampled_from(["GET", "PUT", "DELETE"]),
        "PATH_INFO": st.sampled_from(
            ["/v1/AUTH_a", "/v1/AUTH_a/c", "/v1/AUTH_a/c/o", "/v1/AUTH_b/c/o", "/v1/x/c"]
        ),
        "apus.groups": st.sampled_from([frozenset(), frozenset({"AUTH_a"}), frozenset({".reseller_admin"})]),
        "apus.acl": st.sampled_from([None, ".r:*", ".r:.example", "AUTH_a", ".r:*,.rlistings"]),
    },
    optional={"HTTP_REFERER": st.sampled_from(["http://www.example/", "http://elsewhere/"])},
)


@given(st.lists(REQUESTS, max_size=8))
def test_what_was_judged_before_changes_nothing(requests: list[Environ]) -> None:
    """A filter that remembers its verdicts says what one says that has seen nobody."""
    experienced = auth()
    for environ in requests:
        first, second = dict(environ), dict(environ)
        remembered, judged = experienced.authorize(first), auth().authorize(second)
        assert (remembered and remembered.status) == (judged and judged.status)
        assert first.get("apus.owner") == second.get("apus.owner")


def test_a_user_signs_with_their_key_for_their_account() -> None:
    """The access key is the user's name; who is in no configuration has no secret."""
    app = auth()
    secret = app.s3_secret("équipe:u_s")
    assert secret is not None
    assert (secret.key, secret.account) == ("schlüssel", "AUTH_équipe")
    assert app.s3_secret("test:nobody") is None


def test_a_known_caller_needs_no_token() -> None:
    """Who was found to have signed has the rights of who shows a token."""
    store = Store()
    app = auth(store)
    secret = app.s3_secret("test:tester")
    assert secret is not None
    for account, status in (("AUTH_test", 200), ("AUTH_test2", 403)):
        reply = ask(app, "GET", f"/v1/{account}/c/o", environ={KNOWN_CALLER: secret.caller})
        assert reply.status == status
        assert store.seen[-1]["REMOTE_USER"] == "test,test:tester,AUTH_test"
