"""Nothing can be changed where reading only is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from one_request import ask
from small_store import SmallStore

from apus.proxy.info import AccountInfo
from apus.proxy.middleware.read_only import ReadOnly, ReadOnlyConfig

CHANGES = ["PUT", "POST", "COPY", "DELETE"]


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("path", ["/v1/a", "/v1/a/c", "/v1/a/c/o"])
def test_changes_are_405(method: str, path: str) -> None:
    """At every level; reads go on."""
    app = ReadOnly(SmallStore(), ReadOnlyConfig(read_only=True))
    refused = ask(app, method, path)
    assert (refused.status, refused.text) == (405, "Writes are disabled for this account.")
    assert ask(app, "GET", "/v1/a").status == 200
    assert ask(app, "HEAD", "/v1/a").status == 200


@pytest.mark.parametrize(("flag", "everywhere", "refused"), [("true", False, True), ("false", True, False)])
def test_an_account_decides_for_itself(flag: str, *, everywhere: bool, refused: bool) -> None:
    """Its system metadata counts over the setting."""
    app = ReadOnly(SmallStore(sysmeta={"read-only": flag}), ReadOnlyConfig(read_only=everywhere))
    assert (ask(app, "POST", "/v1/a").status == 405) is refused


def test_deletes_may_be_allowed() -> None:
    """To make room, say."""
    store = SmallStore(objects={("c", "o"): b""})
    app = ReadOnly(store, ReadOnlyConfig(read_only=True, allow_deletes=True))
    assert ask(app, "DELETE", "/v1/a/c/o").status == 204
    assert ask(app, "PUT", "/v1/a/c/o").status == 405


def test_a_copy_changes_its_destination() -> None:
    """The account that is copied into decides."""
    asked: list[str] = []

    class Store(SmallStore):
        def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
            asked.append(account)
            return super().account_info(environ, account)

    app = ReadOnly(Store(sysmeta={"read-only": "true"}), ReadOnlyConfig())
    assert ask(app, "COPY", "/v1/a/c/o", headers={"Destination-Account": "b%20b"}).status == 405
    assert asked == ["b b"]


def test_other_paths_are_let_through() -> None:
    """Tokens can be had, and there is no account to ask about."""
    app = ReadOnly(lambda environ, start: start("200 OK", []) or [], ReadOnlyConfig(read_only=True))
    assert ask(app, "POST", "/auth/v1.0").status == 200
    assert ask(app, "PUT", "/v2/a").status == 200
