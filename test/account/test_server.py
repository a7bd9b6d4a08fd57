"""The account server's answers, as stock Swift's proxies and container servers know them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from database_request import Reply, ask

from apus.account.server import AccountServer
from apus.common.cluster import ClusterConf
from apus.common.timestamp import Timestamp

POLICIES = {
    "swift-hash": {"swift_hash_path_suffix": "x"},
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}
A = "/d1/1/a"


def at(seconds: int) -> str:
    return Timestamp.of(seconds).internal


@pytest.fixture
def server(tmp_path: Path) -> AccountServer:
    (tmp_path / "srv" / "d1").mkdir(parents=True)
    options = {"devices": str(tmp_path / "srv"), "mount_check": "false", "fallocate_reserve": "0"}
    return AccountServer(options, ClusterConf.from_sections(POLICIES, tmp_path))


def report(server: AccountServer, name: str, put: int, delete: int = 0, count: int = 1, **more: str) -> Reply:
    headers = {
        "X-Put-Timestamp": at(put),
        "X-Delete-Timestamp": at(delete),
        "X-Object-Count": str(count),
        "X-Bytes-Used": str(count * 10),
    } | {key.replace("_", "-"): value for key, value in more.items()}
    return ask(server, "PUT", f"{A}/{name}", headers=headers)


def test_an_account_lives_and_dies(server: AccountServer) -> None:
    """201 new, 202 again, 204 deleted, then 404 with its status, and 403 for who wants it back at once."""
    assert ask(server, "HEAD", A).status == 404
    assert ask(server, "PUT", A, at=at(1)).status == 201
    assert ask(server, "PUT", A, at=at(2)).status == 202
    assert ask(server, "GET", A).status == 204
    assert ask(server, "GET", A, query="format=json").body == b"[]"
    assert ask(server, "DELETE", A, at=at(3)).status == 204
    gone = ask(server, "HEAD", A)
    assert (gone.status, gone.headers["X-Account-Status"]) == (404, "Deleted")
    assert ask(server, "PUT", A, at=at(4)).status == 403
    assert ask(server, "POST", A, at=at(4)).status == 404


def test_containers_report(server: AccountServer) -> None:
    """Counts add up, over all and for each policy; a deleted container leaves the listing."""
    assert report(server, "c", 1).status == 404
    ask(server, "PUT", A, at=at(1))
    assert report(server, "c", 1, count=3).status == 201
    assert report(server, "d", 1, count=4, X_Backend_Storage_Policy_Index="1").status == 201
    head = ask(server, "HEAD", A).headers
    assert (head["X-Account-Container-Count"], head["X-Account-Object-Count"]) == ("2", "7")
    assert head["X-Account-Bytes-Used"] == "70"
    assert head["X-Account-Storage-Policy-silver-Object-Count"] == "4"
    assert head["X-Account-Storage-Policy-gold-Container-Count"] == "1"
    assert report(server, "c", 1, delete=5, count=0).status == 204
    assert ask(server, "GET", A).body == b"d\n"
    assert report(server, "c", 9, count=1).status == 201
    assert ask(server, "GET", A).body == b"c\nd\n"


def test_an_old_report_does_not_revive(server: AccountServer) -> None:
    """The newest put and the newest deletion count, in whatever order they are told."""
    ask(server, "PUT", A, at=at(1))
    report(server, "c", 3, delete=5, count=0)
    report(server, "c", 2, delete=0, count=0)
    assert ask(server, "GET", A).status == 204


def test_listings_in_three_forms(server: AccountServer) -> None:
    """Each container with its counts, its moment and its policy's name."""
    ask(server, "PUT", A, at=at(1))
    report(server, "c<1>", 5, count=2, X_Backend_Storage_Policy_Index="1")
    report(server, "d/x", 5)
    listed = json.loads(ask(server, "GET", A, query="format=json").body)
    assert listed[0] == {
        "name": "c<1>",
        "count": 2,
        "bytes": 20,
        "last_modified": "1970-01-01T00:00:05.000000",
        "storage_policy": "silver",
    }


def test_xml_and_subdirs(server: AccountServer) -> None:
    """XML escapes names; a delimiter rolls up."""
    ask(server, "PUT", A, at=at(1))
    for name in ("c<1>", "p-1", "p-2"):
        report(server, name, 5)
    root = ET.fromstring(ask(server, "GET", A, query="format=xml&delimiter=-").body)
    assert root.tag == "account"
    assert [item.findtext("name") or item.attrib["name"] for item in root] == ["c<1>", "p-"]
    names = json.loads(ask(server, "GET", A, query="format=json&prefix=p&reverse=true&limit=1").body)
    assert [entry["name"] for entry in names] == ["p-2"]
    assert ask(server, "GET", A, query="limit=99999").status == 412


def test_a_deleted_account_takes_only_overriding_reports(server: AccountServer) -> None:
    """The updater's and the reaper's reports still come in, so that it can become empty."""
    ask(server, "PUT", A, at=at(1))
    report(server, "c", 2)
    ask(server, "DELETE", A, at=at(3))
    assert report(server, "c", 2, delete=4, count=0).status == 404
    assert report(server, "c", 2, delete=4, count=0, X_Account_Override_Deleted="yes").status == 204


def test_the_clusters_accounts_make_themselves(server: AccountServer) -> None:
    """Accounts that begin with a dot need nobody to create them."""
    headers = {
        "X-Put-Timestamp": at(2),
        "X-Delete-Timestamp": "0",
        "X-Object-Count": "0",
        "X-Bytes-Used": "0",
    }
    assert ask(server, "PUT", "/d1/1/.own/c", headers=headers).status == 201


def test_metadata_merges(server: AccountServer) -> None:
    """Item by item; system metadata is kept, other headers are not."""
    ask(server, "PUT", A, headers={"X-Account-Meta-A": "1", "X-Junk": "j"}, at=at(1))
    ask(server, "POST", A, headers={"X-Account-Meta-B": "2", "X-Account-Sysmeta-S": "3"}, at=at(2))
    ask(server, "POST", A, headers={"X-Account-Meta-A": ""}, at=at(3))
    head = ask(server, "HEAD", A).headers
    assert "X-Account-Meta-A" not in head
    assert (head["X-Account-Meta-B"], head["X-Account-Sysmeta-S"]) == ("2", "3")
    assert "X-Junk" not in head


@pytest.mark.parametrize("harm", [{"X_Object_Count": "x"}, {"X_Put_Timestamp": "soon"}])
def test_malformed_reports_are_refused(server: AccountServer, harm: dict[str, str]) -> None:
    """400, not a broken row."""
    ask(server, "PUT", A, at=at(1))
    assert report(server, "c", 1, 0, 1, **harm).status == 400
    assert ask(server, "GET", A).status == 204
