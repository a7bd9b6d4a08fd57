"""Archives that one proxy unpacks, the other reads and deletes in bulk."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from side_by_side import Pair
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
FILES = {"a": b"small", "dir/ü": bytes(range(256)) * 1000, "empty": b""}
ATTRIBUTES = {"SCHILY.xattr.user.mime_type": "text/odd", "SCHILY.xattr.user.meta.lunch": "fries"}
FORMS = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}
JSON = {"Accept": "application/json"}


def archive(form: str) -> bytes:
    """An archive of the files, with attributes."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=FORMS[form], format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = ATTRIBUTES
            tar.addfile(member, io.BytesIO(content))
    return held.getvalue()


def unpack(client: Client, container: str) -> None:
    """Upload the archive in each form, each into a folder of its own."""
    for form in FORMS:
        reply = client.request(
            "PUT", container, form, body=archive(form), query={"extract-archive": form}, headers=JSON
        )
        assert reply.json() == {
            "Number Files Created": len(FILES),
            "Response Status": "201 Created",
            "Response Body": "",
            "Errors": [],
        }


def read(client: Client, container: str) -> None:
    """Read every file, with what its attributes said."""
    assert client.names_in(container) == sorted(f"{form}/{name}" for form in FORMS for name in FILES)
    for form in FORMS:
        for name, content in FILES.items():
            reply = client.get(container, f"{form}/{name}")
            assert (reply.status, reply.body) == (200, content)
            assert reply.headers["content-type"] == "text/odd"
            assert reply.headers["x-object-meta-lunch"] == "fries"


def delete(client: Client, container: str) -> dict[str, Any]:
    """Delete all of it, the container last, and something that is not there."""
    lines = [f"{container}/{form}/{name}" for form in FORMS for name in FILES]
    body = "\n".join((*lines, "", f"/{container}/none", container)).encode()
    headers = {**JSON, "Content-Type": "text/plain"}
    document: dict[str, Any] = client.request(
        "POST", query={"bulk-delete": ""}, body=body, headers=headers
    ).json()
    return document


def test_either_proxy_reads_and_deletes_what_the_other_has_unpacked(pair: Pair) -> None:
    """Files, types and metadata; the document counts what it did."""
    for writer, reader in pair.either_way():
        with writer.container() as container:
            unpack(writer, container)
            read(reader, container)
            assert delete(reader, container) == {
                "Number Deleted": len(FORMS) * len(FILES) + 1,
                "Number Not Found": 1,
                "Response Body": "",
                "Response Status": "200 OK",
                "Errors": [],
            }
            assert writer.head(container).status == 404


def test_either_proxy_deletes_links_and_manifests_not_what_they_stand_for(pair: Pair) -> None:
    """In bulk as one by one."""
    for writer, reader in pair.either_way():
        with writer.container() as container:
            writer.put(container, "o", body=b"target")
            writer.put(container, "link", headers={"X-Symlink-Target": f"{container}/o"})
            writer.put(container, "large", headers={"X-Object-Manifest": f"{container}/o"})
            body = f"{container}/link\n{container}/large".encode()
            reply = reader.request("DELETE", query={"bulk-delete": ""}, body=body, headers=JSON)
            assert reply.json()["Number Deleted"] == 2
            assert writer.names_in(container) == ["o"]
            assert writer.get(container, "o").body == b"target"
