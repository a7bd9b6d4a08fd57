"""Laws of membership."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_request import FixedApp, ask

from apus.common.cluster_secret import HEADER, credentials, filter_factory

SECRET = "correct horse battery staple"


def stack(app: FixedApp, secret: str = SECRET) -> object:
    return filter_factory({}, cluster_secret=secret)(app)


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (SECRET, 200),
        (None, 403),
        ("", 403),
        ("wrong", 403),
        (SECRET + " ", 403),
        (SECRET[:-1], 403),
        ("\xff", 403),
    ],
)
def test_only_the_secret_opens(shown: str | None, status: int) -> None:
    """Nothing like it does, and refused requests do not reach the server."""
    app = FixedApp()
    reply = ask(stack(app), "PUT", "/d1/1/a", headers={HEADER: shown} if shown is not None else {})  # type: ignore[arg-type]
    assert reply.status == status
    assert len(app.seen) == (status == 200)


def test_anybody_may_ask_what_server_this_is() -> None:
    """OPTIONS touches no data, and recon tools know no secret."""
    app = FixedApp()
    assert ask(stack(app), "OPTIONS", "/").status == 200  # type: ignore[arg-type]


def test_the_secret_goes_no_further() -> None:
    """The server cannot store or log it."""
    app = FixedApp()
    ask(stack(app), headers={HEADER: SECRET})  # type: ignore[arg-type]
    assert SECRET not in app.seen[0].values()


def test_without_a_secret_all_are_members(tmp_path: Path) -> None:
    """As in stock Swift; nobody sends anything then."""
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    app = FixedApp()
    assert ask(filter_factory({"swift_dir": str(tmp_path)})(app)).status == 200
    assert credentials("") == {}


def test_the_secret_is_the_clusters(tmp_path: Path) -> None:
    """From the file that all nodes share; it may be any text."""
    (tmp_path / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = x\n[apus]\ncluster_secret = schlüssel\n", encoding="utf-8"
    )
    guarded = filter_factory({"swift_dir": str(tmp_path)})(FixedApp())
    assert ask(guarded).status == 403
    assert ask(guarded, headers=credentials("schlüssel")).status == 200
