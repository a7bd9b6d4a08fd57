"""What symlinks look like on disk and in listings: stock Swift's notation, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.proxy.middleware import links
from apus.proxy.middleware.links import EMPTY_ETAG, Link
from apus.proxy.middleware.named_paths import account_name, container_and_object, decoded, encoded

NAMES = st.text(min_size=1)
TARGETS = NAMES.map(encoded)
ETAGS = st.text("0123456789abcdef", max_size=32)
LINKS = st.builds(
    Link, target=TARGETS, account=st.just("") | TARGETS, etag=ETAGS, size=st.integers(0).map(str)
)


@given(LINKS)
def test_what_is_stored_is_read_back(link: Link) -> None:
    """The headers that keep a link are the ones that tell of it."""
    assert links.link_of(links.stored(link)) == link
    assert links.link_of({"etag": EMPTY_ETAG}) is None


def test_links_are_stored_under_stocks_names() -> None:
    """And shown to clients under theirs."""
    kept = links.stored(Link("c/o", "AUTH_b", "abc", "7"))
    assert kept == {
        "x-object-sysmeta-symlink-target": "c/o",
        "x-object-sysmeta-symlink-target-account": "AUTH_b",
        "x-object-sysmeta-symlink-target-etag": "abc",
        "x-object-sysmeta-symlink-target-bytes": "7",
    }
    answer = [(name.title(), value) for name, value in kept.items()]
    assert links.shown([*answer, ("Etag", "e")]) == [
        ("X-Symlink-Target", "c/o"),
        ("X-Symlink-Target-Account", "AUTH_b"),
        ("X-Symlink-Target-Etag", "abc"),
        ("X-Symlink-Target-Bytes", "7"),
        ("Etag", "e"),
    ]


def test_trap_26_rows_are_as_stock_writes_them() -> None:
    """The parameters stand behind the empty object's etag, and listings show them under other names."""
    dynamic = links.row_etag(Link("c/o%3B"))
    assert dynamic == f"{EMPTY_ETAG}; symlink_target=c/o%3B"
    static = links.row_etag(Link("c/o", "AUTH_b", "abc", "7"), f"{EMPTY_ETAG}; slo_etag=fff")
    assert static == (
        f"{EMPTY_ETAG}; slo_etag=fff; symlink_target=c/o; symlink_target_account=AUTH_b; "
        "symlink_target_etag=abc; symlink_target_bytes=7"
    )
    assert links.listed({"hash": dynamic, "bytes": 0}, version="v1", account="AUTH_a") == {
        "hash": EMPTY_ETAG,
        "bytes": 0,
        "symlink_path": "/v1/AUTH_a/c/o%3B",
    }
    assert links.listed({"hash": static}, version="v1", account="AUTH_a") == {
        "hash": f"{EMPTY_ETAG}; slo_etag=fff",
        "symlink_path": "/v1/AUTH_b/c/o",
        "symlink_etag": "abc",
        "symlink_bytes": 7,
    }


@given(LINKS)
def test_a_listing_shows_every_link(link: Link) -> None:
    """Whatever the names."""
    row = links.listed({"hash": links.row_etag(link)}, version="v1", account="a")
    assert row["hash"] == EMPTY_ETAG
    assert row["symlink_path"] == link.location("v1", "a")
    assert row.get("symlink_etag", "") == link.etag
    assert row["symlink_bytes"] == int(link.size)


@given(st.text())
def test_a_listing_leaves_alone_what_is_no_link(etag: str) -> None:
    """Nor does it choke on anything."""
    row = {"hash": etag} if ";" not in etag else {"subdir": etag}
    assert links.listed(row, version="v1", account="a") is row
    links.listed({"hash": etag}, version="v1", account="a")


def test_a_static_link_carries_what_its_targets_row_says() -> None:
    """A large object's own etag, however old its manifest is; not where a target leads itself."""
    assert links.carried({"etag": "abc"}) == ""
    assert links.carried({links.SLO_ETAG: "fff"}) == f"{EMPTY_ETAG}; slo_etag=fff"
    assert links.carried({links.OVERRIDE: "abc; s3_etag=s; slo_etag=fff"}) == (
        f"{EMPTY_ETAG}; s3_etag=s; slo_etag=fff"
    )
    assert links.carried({links.OVERRIDE: f"{EMPTY_ETAG}; symlink_target=c/o"}) == ""


@pytest.mark.parametrize("bad", ['a"b', "a;b", "a\\b"])
def test_an_etag_that_a_row_could_not_hold_is_refused(bad: str) -> None:
    """It would end where a parameter begins."""
    with pytest.raises(Refused, match="Bad X-Symlink-Target-Etag format"):
        links.checked_etag(bad)
    assert links.checked_etag('"abc"') == links.checked_etag("abc") == "abc"


@given(NAMES.filter(lambda name: "/" not in name), NAMES)
def test_a_path_in_a_header_is_percent_encoded_once(container: str, name: str) -> None:
    """A leading slash is optional, and slashes in an object's name are its own."""
    for slash in ("", "/"):
        assert container_and_object(slash + encoded(f"{container}/{name}"), "Destination") == (
            container,
            name,
        )
    assert decoded(encoded(name)) == name
    assert account_name(encoded(container)) == container


@pytest.mark.parametrize("value", ["", "/", "c", "/c", "c/", "/c/", "//o"])
def test_a_path_that_names_no_object_is_412(value: str) -> None:
    """With the form it should have."""
    with pytest.raises(Refused, match="<container name>/<object name>") as caught:
        container_and_object(value, "Destination")
    assert caught.value.status == 412


@pytest.mark.parametrize("value", ["", "a/b", "a%2Fb"])
def test_an_account_that_cannot_be_one_is_412(value: str) -> None:
    """Empty, or with a slash."""
    with pytest.raises(Refused) as caught:
        account_name(value)
    assert caught.value.status == 412
