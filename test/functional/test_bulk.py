"""Many operations in one request: archives unpacked, names deleted."""

from __future__ import annotations

import io
import json
import tarfile
from xml.etree import ElementTree as ET

import pytest
from store import Client, Store

MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}


def archive(files: dict[str, bytes], form: str = "tar", attributes: dict[str, str] | None = None) -> bytes:
    """An archive of these files."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=MODES[form], format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = dict(attributes or {})
            tar.addfile(member, io.BytesIO(content))
    return held.getvalue()


def extract(
    client: Client, path: list[str], body: bytes, form: str = "tar", **headers: str
) -> dict[str, object]:
    """Upload an archive; what the document says."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = client.request(
        "PUT",
        *path,
        query={"extract-archive": form},
        body=body,
        headers={"Accept": "application/json", **said},
    )
    assert reply.status == 200, reply
    document: dict[str, object] = json.loads(reply.body)
    return document


@pytest.mark.parametrize("form", sorted(MODES))
def test_an_archive_becomes_objects(client: Client, container: str, form: str) -> None:
    """Each file under its name, with the headers of the request and its own attributes."""
    files = {"a": b"small", "dir/ü": bytes(range(256)) * 1000, "./dot": b"", "/abs": b"x"}
    attributes = {"SCHILY.xattr.user.mime_type": "text/odd", "SCHILY.xattr.user.meta.lunch": "fries"}
    said = extract(client, [container], archive(files, form, attributes), form, X_Object_Meta_Colour="blue")
    assert said == {
        "Number Files Created": 4,
        "Response Body": "",
        "Response Status": "201 Created",
        "Errors": [],
    }
    assert client.names_in(container) == ["a", "abs", "dir/ü", "dot"]
    reply = client.get(container, "dir/ü")
    assert reply.body == files["dir/ü"]
    assert reply.headers["content-type"] == "text/odd"
    assert reply.headers["x-object-meta-lunch"] == "fries"
    assert reply.headers["x-object-meta-colour"] == "blue"


def test_an_archive_makes_its_containers(client: Client) -> None:
    """Where the path is the account; files in no container are left out."""
    with client.container() as name:
        new = f"{name}-new"
        said = extract(client, [], archive({f"{name}/a": b"1", f"{new}/b": b"2", "nowhere": b"3"}))
        assert said["Number Files Created"] == 2
        assert client.get(new, "b").body == b"2"
        client.clear(new)


def test_trap_39_names_do_not_lead_out(store: Store, client: Client, container: str) -> None:
    """`..` is a name like others; another account is out of reach."""
    extract(client, [container, "base"], archive({"../../x": b"1", "/../AUTH_test2/c/o": b"2"}))
    assert client.names_in(container) == ["base/../../x", "base/../AUTH_test2/c/o"]
    stranger = store.client("test2:tester2")
    said = extract(stranger, [container], archive({"a": b"1", "b": b"2"}))
    assert said["Response Status"] == "400 Bad Request"
    assert client.get(container, "a").status == 404
    nobody = extract(store.client(None), [container], archive({"a": b"1"}))
    assert nobody["Response Status"] == "401 Unauthorized"


def test_an_archive_that_is_none(client: Client, container: str) -> None:
    """200, and the document says what is wrong."""
    for body, sentence in (
        (b"rubbish" * 100, "Invalid Tar File"),
        (b"", "Invalid Tar File"),
        (archive({}), "No Valid Files"),
    ):
        said = extract(client, [container], body)
        assert said["Response Status"] == "400 Bad Request"
        assert sentence in str(said["Response Body"])
    assert client.request("PUT", container, query={"extract-archive": "zip"}, body=b"").status == 400


def test_trap_38_bulk_delete(client: Client, container: str) -> None:
    """Percent-encoded lines with or without a slash in front, blank ones skipped, containers last."""
    for name in ("a", "b c", "ü", "x/y"):
        client.put(container, name, body=b"1")
    names = f"{container}\n\n/{container}/a\n{container}/b%20c\r\n/{container}/%C3%BC\n  {container}/x/y\n{container}/none"
    reply = client.request(
        "POST",
        query={"bulk-delete": ""},
        body=names.encode(),
        headers={"Content-Type": "text/plain", "Accept": "application/json"},
    )
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == {
        "Number Deleted": 5,
        "Number Not Found": 1,
        "Response Body": "",
        "Response Status": "200 OK",
        "Errors": [],
    }
    assert client.head(container).status == 404


def test_trap_38_bulk_delete_says_what_failed(store: Store, client: Client, container: str) -> None:
    """A container that is not empty, names that are none, rights that are missing; by DELETE, too."""
    client.put(container, "a", body=b"1")
    reply = client.request(
        "DELETE",
        query={"bulk-delete": ""},
        body=f"{container}\nc/%FF\nc/%00".encode(),
        headers={"Accept": "text/xml"},
    )
    declared = b'<?xml version="1.0" encoding="UTF-8"?>\n' if store.proxy == "apus" else b""
    assert reply.body.startswith(declared + b"<delete>")
    root = ET.fromstring(reply.body)
    assert root.findtext("response_status") == "400 Bad Request"
    assert [node.text for node in root.iter("status")] == [
        "412 Precondition Failed",
        "412 Precondition Failed",
        "409 Conflict",
    ]
    other = store.client("test2:tester2")
    assert (
        "403 Forbidden"
        in other.request("POST", query={"bulk-delete": ""}, body=f"{container}/a".encode()).text
    )
    assert (
        "401 Unauthorized" in store.client(None).request("POST", query={"bulk-delete": ""}, body=b"c/a").text
    )
    assert client.get(container, "a").status == 200
    for body, sentence in (
        (b"", "Invalid bulk delete"),
        (b"c/" + b"x" * 5000, "Invalid File Name"),
        (b"c/o\n" * 10001, "Maximum Bulk Deletes"),
    ):
        assert sentence in client.request("POST", query={"bulk-delete": ""}, body=body).text


def test_the_swift_command_deletes_in_bulk(store: Store, client: Client) -> None:
    """python-swiftclient uses it where /info offers it."""
    connection = store.connection()
    assert connection.get_capabilities()["bulk_delete"]["max_deletes_per_request"] == 10000
    with client.container() as name:
        client.put(name, "a", body=b"1")
        _, body = connection.post_account(
            {}, query_string="bulk-delete", data=f"{name}/a\n".encode(), response_dict={}
        )
        assert b"Number Deleted: 1" in body
