"""Temporary URLs and signed forms, as programs make them."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator

import pytest
from store import Client, Reply, Store, ask
from swiftclient.utils import generate_temp_url

KEY = "a secret of the owner's"
LATER = int(time.time()) + 600


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
