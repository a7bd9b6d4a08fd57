"""Quotas of containers and accounts: exact, also while others upload."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import Reply, ask
from small_store import SmallStore

from apus.common.http.answer import Answer
from apus.common.policies import Policies
from apus.proxy.info import ContainerInfo
from apus.proxy.middleware.account_quotas import AccountQuotas
from apus.proxy.middleware.container_quotas import ContainerQuotas
from apus.proxy.middleware.quotas import Amount, Limit

POLICIES = Policies.from_sections({"storage-policy:0": {"name": "gold", "default": "yes"}})
RESELLER = {"reseller_request": True}


def limited_container(**meta: str) -> tuple[SmallStore, ContainerQuotas]:
    """A store with container c and these quotas on it."""
    quotas = {name.replace("_", "-"): value for name, value in meta.items()}
    store = SmallStore(containers={"c": ContainerInfo(status=204, meta=quotas)})
    return store, ContainerQuotas(store)


def limited_account(**sysmeta: str) -> tuple[SmallStore, AccountQuotas]:
    """A store with containers c and d in an account with these quotas."""
    quotas = {name.replace("_", "-"): value for name, value in sysmeta.items()}
    names = ("c", "d")
    store = SmallStore(sysmeta=quotas, containers={name: ContainerInfo(status=204) for name in names})
    return store, AccountQuotas(store, POLICIES)


def put(
    app: Any, size: int, name: str = "o", *, chunked: bool = False, environ: dict[str, Any] | None = None
) -> Reply:
    """PUT an object of that size."""
    path = f"/v1/a/c/{name}"
    if chunked:
        body = {"wsgi.input": io.BytesIO(bytes(size)), "HTTP_TRANSFER_ENCODING": "chunked"}
        return ask(app, "PUT", path, environ=body | (environ or {}))
    return ask(app, "PUT", path, body=bytes(size), environ={"CONTENT_LENGTH": str(size)} | (environ or {}))


Limited = Callable[..., tuple[SmallStore, Any]]
both = pytest.mark.parametrize("limited", [limited_container, limited_account])


@both
def test_trap_34_an_upload_beyond_the_quota_is_413(limited: Limited) -> None:
    """What fits to the byte is stored; one byte more is not, and the sentence is the one that clients know."""
    store, app = limited(quota_bytes="100")
    assert put(app, 60).status == 201
    assert put(app, 40, "p").status == 201
    refused = put(app, 1, "q")
    assert (refused.status, refused.text) == (413, "Upload exceeds quota.")
    assert ("c", "q") not in store.objects


@both
def test_trap_34_a_chunked_upload_is_cut_off(limited: Limited) -> None:
    """It is counted while it streams: nothing of it is stored, and no more than the limit is read of it."""
    store, app = limited(quota_bytes="100")
    assert put(app, 100, chunked=True).status == 201
    refused = put(app, 5000, "p", chunked=True)
    assert (refused.status, refused.text) == (413, "Upload exceeds quota.")
    assert list(store.objects) == [("c", "o")]


@both
@pytest.mark.parametrize("chunked", [False, True])
def test_trap_34_overwriting_counts_the_difference(limited: Limited, *, chunked: bool) -> None:
    """A full container takes a new version of what is there, as far as it isn't larger."""
    store, app = limited(quota_bytes="100", quota_count="1")
    assert put(app, 100).status == 201
    assert put(app, 100, chunked=chunked).status == 201
    assert put(app, 90, chunked=chunked).status == 201
    assert put(app, 101, chunked=chunked).status == 413
    assert len(store.objects["c", "o"]) == 90


@both
def test_counts_are_limited(limited: Limited) -> None:
    """So many objects and no more."""
    _, app = limited(quota_count="2")
    assert [put(app, 0, name).status for name in "abc"] == [201, 201, 413]


@both
def test_trap_34_an_empty_container_is_limited_too(limited: Limited) -> None:
    """A quota of nothing holds from the first byte; empty objects fit."""
    _, app = limited(quota_bytes="0")
    assert put(app, 1).status == 413
    assert put(app, 0).status == 201


@both
def test_trap_34_a_post_is_exempt(limited: Limited) -> None:
    """Only what stores bytes is counted."""
    store, app = limited(quota_bytes="0", quota_count="0")
    store.objects["c", "o"] = b"x"
    assert ask(app, "POST", "/v1/a/c/o").status == 200
    assert ask(app, "DELETE", "/v1/a/c/o").status == 204


@both
def test_uploads_at_the_same_time_do_not_overstep_together(limited: Limited) -> None:
    """While one is under way, another is let in only if both fit."""
    store, app = limited(quota_bytes="100")
    others: list[int] = []

    def meanwhile() -> None:
        store.before_storing = lambda: None
        others.extend(put(app, size, f"other-{size}").status for size in (41, 40))

    store.before_storing = meanwhile
    assert put(app, 60).status == 201
    assert others == [413, 201]
    assert sum(map(len, store.objects.values())) == 100


@both
def test_a_growing_upload_sees_what_others_have_stored(limited: Limited) -> None:
    """The room that a chunked upload had at first may be gone when it gets there."""
    store, app = limited(quota_bytes="100")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 50:
                assert put(app, 50, "other").status == 201
            return super().read(size)

    refused = put(app, 0, chunked=True, environ={"wsgi.input": Slow(bytes(60))})
    assert refused.status == 413
    assert list(store.objects) == [("c", "other")]


def test_a_broken_upload_gives_its_room_back() -> None:
    """What was not stored does not count."""
    store, app = limited_container(quota_bytes="100")

    def fail() -> None:
        store.before_storing = lambda: None
        raise KeyError

    store.before_storing = fail
    with pytest.raises(KeyError):
        put(app, 100)
    assert put(app, 100).status == 201


def test_who_may_not_write_learns_nothing_of_quotas() -> None:
    """The auth filter's refusal comes before 413."""
    store, app = limited_container(quota_bytes="1")
    denying = {"apus.authorize": lambda _environ: Answer.text(401, "who?")}
    assert put(app, 2, environ=denying).status == 401
    assert not store.objects


def test_usage_that_cannot_be_asked_is_503() -> None:
    """A quota is never guessed."""
    store, app = limited_container(quota_bytes="1")
    store._answer = lambda environ: Answer(503)  # type: ignore[method-assign]
    assert put(app, 1).status == 503


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "²", "9" * 5000])
def test_a_quota_is_a_number(value: str) -> None:
    """400, and it says which one."""
    _, app = limited_container()
    headers = {"X-Container-Meta-Quota-Bytes": value}
    assert ask(app, "PUT", "/v1/a/c", headers=headers).text == "Invalid bytes quota."
    headers = {"X-Container-Meta-Quota-Count": value}
    assert ask(app, "POST", "/v1/a/c", headers=headers).text == "Invalid count quota."
    _, accounts = limited_account()
    headers = {"X-Account-Quota-Bytes": value}
    assert ask(accounts, "POST", "/v1/a", headers=headers, environ=dict(RESELLER)).status == 400


@pytest.mark.parametrize(
    ("sent", "stored", "value"),
    [
        ({"X-Account-Quota-Bytes": "7"}, "QUOTA_BYTES", "7"),
        ({"X-Account-Quota-Count": "7"}, "QUOTA_COUNT", "7"),
        ({"X-Account-Meta-Quota-Bytes": "7"}, "QUOTA_BYTES", "7"),
        ({"X-Account-Quota-Bytes-Policy-Gold": "7"}, "QUOTA_BYTES_POLICY_0", "7"),
        ({"X-Account-Quota-Count-Policy-Gold": "7"}, "QUOTA_COUNT_POLICY_0", "7"),
        ({"X-Account-Quota-Bytes": ""}, "QUOTA_BYTES", ""),
        ({"X-Remove-Account-Quota-Bytes": "x", "X-Account-Quota-Bytes": "7"}, "QUOTA_BYTES", ""),
        ({"X-Remove-Account-Quota-Count-Policy-gold": "x"}, "QUOTA_COUNT_POLICY_0", ""),
    ],
)
def test_resellers_set_an_accounts_quotas(sent: dict[str, str], stored: str, value: str) -> None:
    """They become stock's system metadata; anybody else is refused."""
    store, app = limited_account()
    assert ask(app, "POST", "/v1/a", headers=sent).status == 403
    assert not store.seen
    assert ask(app, "POST", "/v1/a", headers=sent, environ=dict(RESELLER)).status == 204
    assert store.seen[-1]["HTTP_X_ACCOUNT_SYSMETA_" + stored] == value


def test_everybody_sees_an_accounts_quotas() -> None:
    """HEAD and GET name them without `Sysmeta`."""
    _, app = limited_account(quota_bytes="7", quota_count_policy_0="8")
    headers = ask(app, "HEAD", "/v1/a").headers
    assert headers["x-account-quota-bytes"] == "7"
    assert headers["x-account-quota-count-policy-gold"] == "8"


def test_resellers_upload_beyond_the_quota() -> None:
    """An account's quota does not bind who set it."""
    _, app = limited_account(quota_bytes="1")
    assert put(app, 2, environ=dict(RESELLER)).status == 201
    assert put(app, 2, "p").status == 413


def test_a_policys_quota_has_its_own_sentence() -> None:
    """It limits what the account holds under that policy."""
    _, app = limited_account(quota_bytes_policy_0="10", quota_bytes="100")
    assert put(app, 10).status == 201
    refused = put(app, 1, "p")
    assert (refused.status, refused.text) == (413, "Upload exceeds policy quota.")


def test_the_container_written_to_counts_as_it_is_now() -> None:
    """Not as it last reported to its account; the others do."""
    store, app = limited_account(quota_bytes="100")
    store.objects |= {("c", "o"): bytes(50), ("d", "o"): bytes(30)}
    store.reported = {"c": (0, 0), "d": (30, 1)}
    assert put(app, 21, "p").status == 413
    assert put(app, 20, "p").status == 201


def test_where_versions_are_kept_overwriting_frees_nothing() -> None:
    """What is overwritten goes on taking room."""
    store, app = limited_container(quota_bytes="100")
    known = store.containers["c"]
    store.containers["c"] = ContainerInfo(status=204, meta=known.meta, sysmeta={"versions-enabled": "True"})
    assert put(app, 60).status == 201
    assert put(app, 60).status == 413


@both
def test_without_a_quota_nothing_is_asked(limited: Limited) -> None:
    """One request in, one request on."""
    store, app = limited()
    assert put(app, 5).status == 201
    assert len(store.seen) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.booleans()), max_size=12),
    st.integers(0, 100),
)
def test_no_sequence_of_uploads_oversteps(uploads: list[tuple[str, int, bool]], limit: int) -> None:
    """Whatever is stored, there is never more than the quota; and what would fit is never refused."""
    store, app = limited_container(quota_bytes=str(limit))
    for name, size, chunked in uploads:
        others = sum(len(body) for (_, other), body in store.objects.items() if other != name)
        before = len(store.objects.get(("c", name), b""))
        fits = others + size <= limit or (size <= before and ("c", name) in store.objects)
        assert (put(app, size, name, chunked=chunked).status == 201) == fits
    assert store.held("c")[0] <= limit


@given(st.integers(0, 9), st.integers(0, 9))
def test_a_limit_allows_what_is_not_above_it(size: int, count: int) -> None:
    """Both numbers, where both are set."""
    assert Limit.of("5", None).allows(Amount(size, count)) == (size <= 5)
    assert Limit.of("5", "4").allows(Amount(size, count)) == (size <= 5 and count <= 4)
    assert Limit.of("x", "").allows(Amount(size, count))
