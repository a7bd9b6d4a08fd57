"""ETags are quoted where an account or a container asks for it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from one_request import FixedApp, ask
from small_store import SmallStore

from apus.proxy.info import ContainerInfo
from apus.proxy.middleware.etag_quoter import EtagQuoter, EtagQuoterConfig

FLAG = "rfc-compliant-etags"


def quoter(
    container: str | None = None, account: str | None = None, *, by_default: bool = False
) -> EtagQuoter:
    """The filter before one object; None says nothing."""
    flags = {} if container is None else {FLAG: container}
    store = SmallStore(
        sysmeta={} if account is None else {FLAG: account},
        containers={"c": ContainerInfo(status=204, sysmeta=flags)},
        objects={("c", "o"): b"x"},
    )
    return EtagQuoter(store, EtagQuoterConfig(enable_by_default=by_default))


@pytest.mark.parametrize(
    ("container", "account", "by_default", "etag"),
    [
        (None, None, False, "abc"),
        (None, None, True, '"abc"'),
        (None, "True", False, '"abc"'),
        (None, "False", True, "abc"),
        ("True", None, False, '"abc"'),
        ("True", "False", False, '"abc"'),
        ("False", "True", True, "abc"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_trap_21_etags_are_quoted_on_request_only(
    container: str | None, account: str | None, etag: str, method: str, *, by_default: bool
) -> None:
    """The container's word, then the account's, then the setting."""
    app = quoter(container, account, by_default=by_default)
    assert ask(app, method, "/v1/a/c/o").headers["etag"] == etag


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"'])
def test_trap_21_what_is_quoted_stays(etag: str) -> None:
    """Large objects' ETags, and weak ones."""

    class Quoted(FixedApp):
        def container_info(self, *_: Any) -> ContainerInfo:
            return ContainerInfo(status=204, sysmeta={FLAG: "true"})

        account_info = container_info

    app = EtagQuoter(Quoted(headers=[("Etag", etag)]), EtagQuoterConfig())
    assert ask(app, "GET", "/v1/a/c/o").headers["etag"] == etag


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/a", "Account"), ("/v1/a/c", "Container"), ("/v1/a/c/", "Container")]
)
@pytest.mark.parametrize(("sent", "stored"), [("yes", "True"), ("no", "False"), ("", "")])
def test_the_wish_becomes_system_metadata(path: str, kind: str, sent: str, stored: str) -> None:
    """True, False, or removed; and comes back under its public name."""
    store = FixedApp(headers=[(f"X-{kind}-Sysmeta-Rfc-Compliant-Etags", stored)])
    app = EtagQuoter(store, EtagQuoterConfig())
    headers = {f"X-{kind}-Rfc-Compliant-Etags": sent}
    assert ask(app, "POST", path, headers=headers).headers == {
        f"x-{kind.lower()}-rfc-compliant-etags": stored
    }
    key = f"HTTP_X_{kind.upper()}_SYSMETA_RFC_COMPLIANT_ETAGS"
    assert store.seen[-1][key] == stored
    ask(app, "POST", path, headers={**headers, f"X-Remove-{kind}-Rfc-Compliant-Etags": "x"})
    assert store.seen[-1][key] == ""


def test_other_paths_are_let_through() -> None:
    """Nothing is asked about them."""
    app = EtagQuoter(FixedApp(headers=[("Etag", "abc")]), EtagQuoterConfig(enable_by_default=True))
    assert ask(app, "GET", "/info").headers["etag"] == "abc"
    assert ask(app, "GET", "/v2/a/c/o").headers["etag"] == "abc"
