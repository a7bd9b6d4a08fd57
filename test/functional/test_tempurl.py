"""Temporary URLs and signed forms, as programs make them."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator

import pytest
from store import Client, Reply, Store, ask
from swiftclient.utils import generate_temp_url

KEY = "a secret of the owner's"
LATER = int(time.time()) + 86_400


@pytest.fixture
def keyed(client: Client) -> Iterator[str]:
    """A container whose account has a key."""
    client.post(headers={"X-Account-Meta-Temp-URL-Key": KEY})
    with client.container() as name:
        client.put(name, "o", body=b"content", headers={"X-Object-Meta-Secret": "1"})
        yield name
    client.post(headers={"X-Remove-Account-Meta-Temp-URL-Key": "x"})


def url(client: Client, method: str, *names: str, key: str = KEY, **options: object) -> str:
    """A URL as python-swiftclient signs it."""
    made: str = generate_temp_url(client.path(*names), 600, key, method, **options)
    return made


def test_a_temporary_url_reads_one_object(store: Store, client: Client, keyed: str) -> None:
    """Without a token, with ranges, and without what is private."""
    signed = url(client, "GET", keyed, "o")
    reply = ask(store.address, "GET", signed, {})
    assert (reply.status, reply.body) == (200, b"content")
    assert "x-object-meta-secret" not in reply.headers
    assert reply.headers["content-disposition"].startswith("attachment")
    assert ask(store.address, "GET", signed, {"Range": "bytes=1-2"}).body == b"on"
    assert ask(store.address, "HEAD", signed, {}).status == 200
    assert ask(store.address, "PUT", signed, {}, b"x").status == 401
    assert ask(store.address, "GET", signed.replace("/o?", "/p?"), {}).status == 401
    assert (
        ask(
            store.address, "GET", signed.replace("sha", "").replace("temp_url_sig=", "temp_url_sig=0"), {}
        ).status
        == 401
    )


def test_a_temporary_url_writes_and_deletes(store: Store, client: Client, keyed: str) -> None:
    """And its signer's container, with its own key, is as far as it goes."""
    client.post(keyed, headers={"X-Container-Meta-Temp-URL-Key": "another"})
    assert (
        ask(
            store.address, "PUT", url(client, "PUT", keyed, "new", key="another", digest="sha512"), {}, b"abc"
        ).status
        == 201
    )
    assert client.get(keyed, "new").body == b"abc"
    pointing = {"X-Object-Manifest": f"{keyed}/o"}
    assert ask(store.address, "PUT", url(client, "PUT", keyed, "new"), pointing, b"").status == 400
    assert ask(store.address, "DELETE", url(client, "DELETE", keyed, "new"), {}).status == 204
    prefixed = url(client, "GET", keyed, "pre", prefix=True)
    client.put(keyed, "pre/x", body=b"1")
    assert ask(store.address, "GET", prefixed.replace("/pre?", "/pre/x?"), {}).body == b"1"
    local = url(client, "GET", keyed, "o", ip_range="127.0.0.0/8")
    assert ask(store.address, "GET", local, {}).status == 200
    assert ask(store.address, "GET", url(client, "GET", keyed, "o", ip_range="192.0.2.1"), {}).status == 401


CONTAINERS_KEY = "a secret of one container's"


@pytest.fixture
def leading(client: Client, keyed: str) -> Iterator[tuple[str, str]]:
    """A container with a key of its own, whose objects lead to another one's; and that one."""
    client.post(keyed, headers={"X-Container-Meta-Temp-URL-Key": CONTAINERS_KEY})
    with client.container() as other:
        client.put(other, "part", body=b"elsewhere")
        for name, container in (("in", keyed), ("out", other)):
            inner = "o" if container == keyed else "part"
            link = {"X-Symlink-Target": f"{container}/{inner}"}
            assert client.put(keyed, f"link-{name}", headers=link).status == 201
            document = json.dumps([{"path": f"/{container}/{inner}"}]).encode()
            query = {"multipart-manifest": "put"}
            assert client.request("PUT", keyed, f"slo-{name}", body=document, query=query).status == 201
            dynamic = {"X-Object-Manifest": f"{container}/{inner}"}
            assert client.put(keyed, f"dlo-{name}", headers=dynamic).status == 201
        yield keyed, other


def test_trap_36_tempurl_leads_no_further_than_its_key(
    store: Store, client: Client, leading: tuple[str, str]
) -> None:
    """By links and large objects: a container's key stays inside the container, an account's inside the account."""
    keyed, _ = leading
    for kind, refused in (("link", 401), ("slo", 409), ("dlo", 401)):
        inside = url(client, "GET", keyed, f"{kind}-in", key=CONTAINERS_KEY)
        assert ask(store.address, "GET", inside, {}).body == b"content"
        outside = ask(store.address, "GET", url(client, "GET", keyed, f"{kind}-out", key=CONTAINERS_KEY), {})
        assert (outside.status, b"elsewhere" in outside.body) == (refused, False), kind
        by_account = ask(store.address, "GET", url(client, "GET", keyed, f"{kind}-out"), {})
        assert (by_account.status, by_account.body) == (200, b"elsewhere"), kind


def test_trap_36_tempurl_leads_to_no_other_account(store: Store, client: Client, keyed: str) -> None:
    """Though the one who made the link may read there."""
    friend = store.client("test2:tester2", account_of="test2:tester2")
    with friend.container({"X-Container-Read": "test:tester"}) as theirs:
        friend.put(theirs, "o", body=b"theirs")
        link = {"X-Symlink-Target": f"{theirs}/o", "X-Symlink-Target-Account": friend.account}
        assert client.put(keyed, "abroad", headers=link).status == 201
        assert client.get(keyed, "abroad").body == b"theirs"
        reply = ask(store.address, "GET", url(client, "GET", keyed, "abroad"), {})
        assert (reply.status, b"theirs" in reply.body) == (401, False)


def test_trap_36_tempurl_copies_and_points_to_nothing(
    store: Store, client: Client, leading: tuple[str, str]
) -> None:
    """No header makes a write one of something else, and nothing may be asked for that was not signed."""
    keyed, other = leading
    signed = url(client, "PUT", keyed, "new")
    for pointer in ("X-Copy-From", "X-Symlink-Target", "X-Object-Manifest"):
        reply = ask(store.address, "PUT", signed, {pointer: f"{other}/part"}, b"")
        assert (reply.status, pointer in reply.text) == (400, True)
    document = json.dumps([{"path": f"/{other}/part"}]).encode()
    assert ask(store.address, "PUT", f"{signed}&multipart-manifest=put", {}, document).status == 201
    stored = client.get(keyed, "new")
    assert (stored.body, stored.headers.get("x-static-large-object")) == (document, None)
    got = url(client, "GET", keyed, "o")
    assert ask(store.address, "COPY", got, {"Destination": f"{keyed}/copy"}).status == 401
    assert client.get(keyed, "copy").status == 404
    for question in ("multipart-manifest=get", "symlink=get"):
        for name in ("slo-out", "link-out"):
            reply = ask(store.address, "GET", f"{url(client, 'GET', keyed, name)}&{question}", {})
            assert (reply.status, reply.body) == (200, b"elsewhere")


BOUNDARY = "AaB03x"


def form(
    path: str, files: list[tuple[str, str, bytes]], *, key: str = KEY, digest: str = "sha256", **fields: str
) -> bytes:
    """A signed form, as a browser sends it."""
    values = {"redirect": "", "max_file_size": "1000", "max_file_count": "2", "expires": str(LATER), **fields}
    lines = (path, values["redirect"], values["max_file_size"], values["max_file_count"], values["expires"])
    values.setdefault("signature", hmac.new(key.encode(), "\n".join(lines).encode(), digest).hexdigest())
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in values.items()
        if value
    ]
    for name, kind, content in files:
        head = (
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        )
        pieces.append(f"--{BOUNDARY}\r\n{head}".encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def submit(store: Store, path: str, body: bytes) -> Reply:
    """Send a form."""
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return ask(store.address, "POST", path, {"Content-Type": kind}, body)


def test_trap_37_a_form_uploads_files(store: Store, client: Client, keyed: str) -> None:
    """Under the form's prefix, each with its own type; with and without a page to go on to."""
    path = client.path(keyed, "up/")
    files = [("ü.txt", "text/plain", b"one\r\n--Aa"), ("b.html", "text/html", b"")]
    reply = submit(store, path, form(path, files))
    assert (reply.status, reply.text) == (201, "201 Created")
    assert client.get(keyed, "up/ü.txt").body == b"one\r\n--Aa"
    assert client.get(keyed, "up/b.html").headers["content-type"] == "text/html"
    reply = submit(store, path, form(path, files[:1], redirect="http://app/done?a=b", digest="sha512"))
    assert reply.status == 303
    assert reply.headers["location"] == "http://app/done?a=b&status=201&message="


@pytest.mark.usefixtures("apus_proxy")
def test_trap_37_a_form_is_held_to_what_was_signed(store: Store, client: Client, keyed: str) -> None:
    """Count, size, time, and who signed; nothing of what is refused is stored."""
    path = client.path(keyed, "up/")
    one = ("f", "text/plain", b"12345")
    for reply, status, sentence in (
        (submit(store, path, form(path, [one], max_file_size="4")), 400, "FormPost: max_file_size exceeded"),
        (submit(store, path, form(path, [one], expires="1")), 401, "FormPost: Form Expired"),
        (submit(store, path, form(path, [one], key="wrong")), 401, "FormPost: Invalid Signature"),
        (submit(store, path, form(path, [one], digest="sha1")), 401, "FormPost: Invalid Signature"),
        (submit(store, path, form(path, [one])[:-20]), 400, "FormPost: the form ends too early"),
        (submit(store, path, form(path, [one], max_file_count="0")), 400, "Max File Count Exceeded"),
        (submit(store, path, form(path, [])), 400, "No Files To Process"),
        (submit(store, path, b"rubbish" * 20), 400, "invalid starting boundary"),
    ):
        assert (reply.status, sentence in reply.text) == (status, True), reply
    assert client.names_in(keyed) == ["o"]
