"""At-rest encryption through real processes: what clients see is what they stored, whatever secret is active."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import AllInOne, all_in_one
from s3 import S3Front, bucket_of
from store import Client

pytestmark = pytest.mark.slow

MARK = b"a text that nobody may find on a disk"
SMALL, LARGE = MARK, MARK * 60_000
SECRETS = {
    "encryption_root_secret": base64.b64encode(b"first" * 8).decode(),
    "encryption_root_secret_2": base64.b64encode(b"second" * 8).decode(),
}
both = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


def filters(**keymaster: str) -> dict[str, dict[str, str]]:
    """The two filters."""
    return {"keymaster": {**SECRETS, **keymaster}, "encryption": {}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster that encrypts."""
    with all_in_one(tmp_path_factory.mktemp("encrypted"), nodes=3) as cluster:
        cluster.restart_proxy(filters())
        yield cluster


@pytest.fixture
def client(cluster: AllInOne) -> Client:
    """A client of it."""
    return cluster.store.client()


@pytest.fixture
def container(client: Client) -> Iterator[str]:
    """A container of the test's own."""
    with client.container() as name:
        yield name


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def stored_files(home: Path) -> list[Path]:
    return list(home.glob("node*/devices/*/objects/*/*/*/*.data"))


@both
def test_bodies_and_metadata_come_back_and_lie_encrypted(
    cluster: AllInOne, client: Client, container: str, body: bytes
) -> None:
    """With the client's ETag everywhere: in the answers to PUT, GET and HEAD, and in the listing."""
    colour = "grün".encode().decode("latin-1")
    sent = {"X-Object-Meta-Colour": colour, "ETag": md5(body)}
    reply = client.put(container, "ö/name", body=body, headers=sent)
    assert (reply.status, reply.headers["etag"].strip('"')) == (201, md5(body))
    for reply in (client.get(container, "ö/name"), client.head(container, "ö/name")):
        assert (reply.status, reply.headers["etag"]) == (200, md5(body))
        assert reply.headers["x-object-meta-colour"] == colour
        assert reply.headers["content-length"] == str(len(body))
        assert not [name for name in reply.headers if "crypto" in name]
    assert client.get(container, "ö/name").body == body
    (row,) = client.get(container, format="json").json()
    assert (row["hash"], row["bytes"]) == (md5(body), len(body))
    assert f"<hash>{md5(body)}</hash>" in client.get(container, format="xml").text
    files = stored_files(cluster.home)
    assert files
    assert not [path for path in files if MARK in path.read_bytes()]


@both
def test_a_chunked_upload_is_encrypted_too(client: Client, container: str, body: bytes) -> None:
    """Its length is known only at its end, as its ETag is."""
    pieces = [body[at : at + 9000] for at in range(0, len(body), 9000)]
    assert client.put(container, "o", body=iter(pieces)).status == 201
    reply = client.get(container, "o")
    assert (reply.body, reply.headers["etag"]) == (body, md5(body))


@both
def test_ranges_are_those_of_the_body(client: Client, container: str, body: bytes) -> None:
    """One, several and a suffix."""
    client.put(container, "o", body=body)
    dice = random.Random(len(body))
    for _ in range(5):
        first = dice.randrange(len(body))
        last = dice.randrange(first, len(body))
        reply = client.get(container, "o", headers={"Range": f"bytes={first}-{last}"})
        assert (reply.status, reply.body) == (206, body[first : last + 1])
    assert client.get(container, "o", headers={"Range": "bytes=-5"}).body == body[-5:]
    reply = client.get(container, "o", headers={"Range": "bytes=3-8,20-30"})
    boundary = reply.headers["content-type"].partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n")[2] for part in reply.body.split(b"--" + boundary)[1:-1]]
    assert parts == [body[3:9] + b"\r\n", body[20:31] + b"\r\n"]
    assert len(reply.body) == int(reply.headers["content-length"])


@both
def test_conditions_are_about_the_clients_etag(client: Client, container: str, body: bytes) -> None:
    """Though no object server has ever heard it."""
    client.put(container, "o", body=body)
    wrong = md5(b"another")
    for method in ("GET", "HEAD"):

        def status(name: str, value: str, method: str = method) -> int:
            return client.request(method, container, "o", headers={name: value}).status

        assert status("If-Match", f'"{md5(body)}"') == 200
        assert status("If-Match", wrong) == 412
        assert status("If-None-Match", f'"{wrong}", "{md5(body)}"') == 304
        assert status("If-None-Match", wrong) == 200
    ranged = {"Range": "bytes=0-3"}
    assert client.get(container, "o", headers={**ranged, "If-Range": f'"{md5(body)}"'}).status == 206
    assert client.get(container, "o", headers={**ranged, "If-Range": f'"{wrong}"'}).status == 200


@both
@pytest.mark.usefixtures("apus_servers")
@pytest.mark.parametrize("versions", ["no", "yes"])
def test_a_conditional_write_is_about_the_clients_etag(
    client: Client, container: str, body: bytes, versions: str
) -> None:
    """As the plain body has it; one wins, and what it sent can be read; where versions are kept, too."""
    client.post(container, headers={"X-Versions-Enabled": versions})
    assert client.put(container, "o", body=body, headers={"If-None-Match": "*"}).status == 201
    assert client.put(container, "o", body=b"x", headers={"If-None-Match": "*"}).status == 412
    assert client.get(container, "o").body == body
    assert client.put(container, "o", body=b"x", headers={"If-Match": md5(b"other")}).status == 412
    assert client.put(container, "o", body=b"x", headers={"If-Match": md5(body)}).status == 201
    assert client.get(container, "o").body == b"x"
    assert client.delete(container, "o", headers={"If-Match": md5(body)}).status == 412
    assert client.delete(container, "o", headers={"If-Match": md5(b"x")}).status == 204


@both
def test_a_wrong_etag_is_422(client: Client, container: str, body: bytes) -> None:
    """And nothing is stored."""
    assert client.put(container, "o", body=body, headers={"ETag": md5(b"another")}).status == 422
    assert client.get(container, "o").status == 404


def test_a_post_replaces_the_metadata(client: Client, container: str) -> None:
    """Encrypted as well; the body stays."""
    client.put(container, "o", body=SMALL, headers={"X-Object-Meta-A": "1"})
    assert client.post(container, "o", headers={"X-Object-Meta-B": "2"}).status == 202
    reply = client.get(container, "o")
    assert (reply.body, reply.headers["x-object-meta-b"]) == (SMALL, "2")
    assert "x-object-meta-a" not in reply.headers


def test_an_empty_object_is_one(client: Client, container: str) -> None:
    """There is nothing to encrypt."""
    assert client.put(container, "o", headers={"X-Object-Meta-A": "1"}).headers["etag"].strip('"') == md5(b"")
    reply = client.get(container, "o")
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, b"", md5(b""))
    assert reply.headers["x-object-meta-a"] == "1"


def test_a_large_object_of_segments(client: Client, container: str) -> None:
    """Manifest and segments are encrypted one by one; ranges and conditions are those of the whole."""
    for name in ("s1", "s2"):
        client.put(container, name, body=LARGE)
    manifest = [{"path": f"/{container}/{name}", "etag": md5(LARGE)} for name in ("s1", "s2")]
    query = {"multipart-manifest": "put"}
    assert (
        client.request("PUT", container, "o", body=json.dumps(manifest).encode(), query=query).status == 201
    )
    reply = client.get(container, "o")
    assert reply.body == LARGE * 2
    seam = {"Range": f"bytes={len(LARGE) - 10}-{len(LARGE) + 9}"}
    assert client.get(container, "o", headers=seam).body == (LARGE * 2)[len(LARGE) - 10 : len(LARGE) + 10]
    assert client.get(container, "o", headers={"If-None-Match": reply.headers["etag"]}).status == 304
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    assert rows["o"]["slo_etag"] == reply.headers["etag"]


@both
def test_a_copy_is_encrypted_anew(client: Client, container: str, body: bytes) -> None:
    """Under the key of its own path, by COPY and by X-Copy-From, with the source's metadata."""
    client.put(container, "from", body=body, headers={"X-Object-Meta-A": "1"})
    target = {"Destination": f"{container}/copied"}
    assert client.request("COPY", container, "from", headers=target).status == 201
    source = {"X-Copy-From": f"{container}/from", "X-Object-Meta-B": "2"}
    assert client.put(container, "pulled", headers=source).status == 201
    client.delete(container, "from")
    for name in ("copied", "pulled"):
        reply = client.get(container, name)
        assert (reply.body, reply.headers["etag"]) == (body, md5(body))
        assert reply.headers["x-object-meta-a"] == "1"
    rows = client.get(container, format="json").json()
    assert {row["name"]: row["hash"] for row in rows} == dict.fromkeys(("copied", "pulled"), md5(body))


def test_a_symlink_leads_to_what_was_encrypted(client: Client, container: str) -> None:
    """In the listing, where its target is sealed with its hash, too."""
    client.put(container, "o", body=LARGE)
    for name, more in (("link", {}), ("static", {"X-Symlink-Target-Etag": md5(LARGE)})):
        reply = client.put(container, name, headers={"X-Symlink-Target": f"{container}/o", **more})
        assert reply.status == 201, reply
        reply = client.get(container, name)
        assert (reply.body, reply.headers["etag"]) == (LARGE, md5(LARGE))
        assert client.get(container, name, headers={"If-None-Match": md5(LARGE)}).status == 304
        assert client.get(container, name, symlink="get").headers["x-symlink-target"] == f"{container}/o"
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    for name in ("link", "static"):
        assert (rows[name]["symlink_path"], rows[name]["hash"]) == (
            f"{client.account_path}/{container}/o",
            md5(b""),
        )
    assert rows["static"]["symlink_etag"] == md5(LARGE)


def _begin_upload(cluster: AllInOne, client: Client, container: str) -> socket.socket:
    """Send half of an upload and leave it there."""
    wire = socket.create_connection(cluster.store.address)
    head = [f"PUT {client.path(container, 'half')} HTTP/1.1", "Host: x", f"Content-Length: {len(LARGE)}"]
    head += [f"{name}: {value}" for name, value in client.headers.items()]
    wire.sendall("\r\n".join([*head, "", ""]).encode() + LARGE[: len(LARGE) // 2])
    return wire


def test_a_rotation_loses_nothing(cluster: AllInOne, client: Client, container: str) -> None:
    """The proxy dies amid an upload and comes back with another secret: all that was acknowledged is read."""
    for name, body in (("old", SMALL), ("old-large", LARGE), ("posted", SMALL)):
        client.put(container, name, body=body, headers={"X-Object-Meta-A": "1"})
    with _begin_upload(cluster, client, container):
        cluster.restart_proxy(filters(active_root_secret_id="2"))
    client = cluster.store.client()
    assert client.get(container, "half").status == 404
    assert client.post(container, "posted", headers={"X-Object-Meta-A": "2"}).status == 202
    client.put(container, "new", body=SMALL, headers={"X-Object-Meta-A": "1"})
    sums = {"old": md5(SMALL), "old-large": md5(LARGE), "posted": md5(SMALL), "new": md5(SMALL)}
    for name, etag in sums.items():
        reply = client.get(container, name)
        assert (md5(reply.body), reply.headers["etag"]) == (etag, etag)
        assert reply.headers["x-object-meta-a"] == ("2" if name == "posted" else "1")
        assert client.get(container, name, headers={"If-None-Match": etag}).status == 304
    rows = client.get(container, format="json").json()
    assert {row["name"]: row["hash"] for row in rows} == sums
    cluster.restart_proxy(filters())
    client = cluster.store.client()
    assert client.get(container, "new").body == SMALL


def test_switched_off_it_still_decrypts(cluster: AllInOne, client: Client, container: str) -> None:
    """Old objects are read as ever beside new ones that lie open."""
    client.put(container, "old", body=SMALL)
    cluster.restart_proxy({**filters(), "encryption": {"disable_encryption": "true"}})
    client = cluster.store.client()
    client.put(container, "new", body=LARGE)
    assert [client.get(container, name).body for name in ("old", "new")] == [SMALL, LARGE]
    assert [path for path in stored_files(cluster.home) if MARK in path.read_bytes()]
    rows = client.get(container, format="json").json()
    assert {row["name"]: row["hash"] for row in rows} == {"old": md5(SMALL), "new": md5(LARGE)}
    cluster.restart_proxy(filters())


INTERNAL_CLIENT = """
[pipeline:main]
pipeline = keymaster encryption proxy-server
[filter:keymaster]
use = egg:apus#keymaster
encryption_root_secret = {encryption_root_secret}
encryption_root_secret_2 = {encryption_root_secret_2}
[filter:encryption]
use = egg:apus#encryption
[app:proxy-server]
use = egg:apus#proxy
"""


@pytest.fixture
def goal(cluster: AllInOne, client: Client) -> Iterator[tuple[str, dict[str, str]]]:
    """A container of the cluster as another one's, and the headers that have it followed."""
    realms = cluster.home / "etc" / "container-sync-realms.conf"
    realms.write_text(f"[REALM]\nkey = realm-key\ncluster_ONE = {cluster.store.endpoint}/v1/\n")
    with client.container({"X-Container-Sync-Key": "k"}) as target:
        to = f"//REALM/ONE/{client.account}/{target}"
        yield target, {"X-Container-Sync-Key": "k", "X-Container-Sync-To": to}


def test_container_sync_sends_what_is_encrypted_if_it_has_the_keys(
    cluster: AllInOne, client: Client, goal: tuple[str, dict[str, str]]
) -> None:
    """Not a byte without; with a keymaster in its pipeline, body, ETag and metadata; a link stays a link."""
    target, headers = goal
    with client.container(headers) as origin:
        for name, body in (("large", LARGE), ("small", SMALL)):
            sent = {"X-Object-Meta-Colour": "blue", "ETag": md5(body)}
            assert client.put(origin, name, body=body, headers=sent).status == 201
        link = {"X-Symlink-Target": f"{origin}/small"}
        assert client.put(origin, "link", headers=link).status == 201
        cluster.once("container-sync")
        assert client.names_in(target) in ([], ["link"])
        path = cluster.home / "etc" / "sync-client.conf"
        path.write_text(INTERNAL_CLIENT.format(**SECRETS))
        for conf in cluster.home.glob("node*/etc/container-server.conf"):
            section = f"[container-sync]\ninternal_client_conf_path = {path}\n"
            conf.write_text(conf.read_text().replace("[container-sync]\n", section))
        for _ in range(2):
            cluster.once("container-sync")
        assert client.names_in(target) == ["large", "link", "small"]
        for name, body in (("large", LARGE), ("small", SMALL), ("link", SMALL)):
            reply = client.get(target, name)
            assert (reply.status, reply.body, reply.headers["etag"]) == (200, body, md5(body))
            assert reply.headers["x-object-meta-colour"] == "blue"
        stored = client.get(target, "link", symlink="get")
        assert stored.headers["x-symlink-target"] == f"{origin}/small"
        assert not any(MARK in file.read_bytes() for file in stored_files(cluster.home))


def test_s3_says_what_is_encrypted(cluster: AllInOne, tmp_path: Path) -> None:
    """Whatever is stored, asked for or not; a bucket may ask for what the store does anyway."""
    client = S3Front(cluster.store, None, tmp_path).client()
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    with bucket_of(client) as bucket:
        (rule,) = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule == {**default, "BucketKeyEnabled": False}
        client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})
        upload_id = client.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
        part = client.upload_part(Bucket=bucket, Key="large", UploadId=upload_id, PartNumber=1, Body=SMALL)
        answers = [
            client.put_object(Bucket=bucket, Key="plain", Body=SMALL),
            client.put_object(Bucket=bucket, Key="asked", Body=SMALL, ServerSideEncryption="AES256"),
            client.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/plain"),
            part,
            client.complete_multipart_upload(
                Bucket=bucket,
                Key="large",
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
            ),
        ]
        for key in ("plain", "copy", "large"):
            answers.append(client.get_object(Bucket=bucket, Key=key))
            assert answers[-1]["Body"].read() == SMALL
            answers.append(client.head_object(Bucket=bucket, Key=key))
        assert [each["ServerSideEncryption"] for each in answers] == ["AES256"] * len(answers)
    assert not [path for path in stored_files(cluster.home) if MARK in path.read_bytes()]
