"""Temporary URLs and signed forms: keys that are set through one proxy open doors at the other."""

from __future__ import annotations

import hmac
import time
from hashlib import md5
from urllib.parse import quote

import pytest
from side_by_side import Pair
from store import Client, ask
from swiftclient.utils import generate_temp_url

pytestmark = [pytest.mark.interop, pytest.mark.slow]
KEY, ANOTHER = "a key", "another key"
BODY = b"content"


def url(client: Client, method: str, *names: str, key: str = KEY, **options: object) -> str:
    """A URL as python-swiftclient signs it."""
    made: str = generate_temp_url(client.path(*names), 600, key, method, **options)
    return made


def form(client: Client, container: str, name: str) -> int:
    """Send a signed form with one file; the status."""
    path = f"{client.path(container)}/"
    fields = {
        "redirect": "",
        "max_file_size": "100",
        "max_file_count": "1",
        "expires": str(int(time.time()) + 600),
    }
    signed = "\n".join((path, *fields.values())).encode()
    fields["signature"] = hmac.new(KEY.encode(), signed, "sha256").hexdigest()
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields
    ]
    head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = "".join((*parts, head, "posted", "\r\n--B--\r\n")).encode()
    return ask(
        client.store.address, "POST", path, {"Content-Type": "multipart/form-data; boundary=B"}, body
    ).status


def write(client: Client, container: str) -> None:
    """Two keys, an object, a link to it, and a link that leads out of the container."""
    keys = {"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Temp-URL-Key-2": ANOTHER}
    assert client.post(container, headers=keys).status == 204
    client.put(container, "o", body=BODY, headers={"X-Object-Meta-Secret": "1"})
    client.put(container, "link", headers={"X-Symlink-Target": f"{container}/o"})
    client.put(container, "dlo", headers={"X-Object-Manifest": f"{container}/o"})


def use(client: Client, container: str) -> None:
    """Read, write and delete without a token, as far as the signatures go."""

    def status(method: str, path: str, body: bytes | None = None) -> int:
        return ask(client.store.address, method, path, {}, body).status

    for name in ("o", "link", "dlo"):
        for key, digest in ((KEY, "sha256"), (ANOTHER, "sha512")):
            reply = ask(
                client.store.address, "GET", url(client, "GET", container, name, key=key, digest=digest), {}
            )
            assert (reply.status, reply.body) == (200, BODY), name
            assert "x-object-meta-secret" not in reply.headers
    assert status("GET", url(client, "GET", container, "o", key="wrong")) == 401
    assert status("PUT", url(client, "GET", container, "o"), b"x") == 401
    assert status("GET", url(client, "GET", container, "o", ip_range="127.0.0.0/8")) == 200
    assert status("GET", url(client, "GET", container, "o", ip_range="192.0.2.1")) == 401
    assert status("PUT", url(client, "PUT", container, "new"), b"new") == 201
    assert status("DELETE", url(client, "DELETE", container, "link")) == 204
    prefixed = url(client, "GET", container, "", prefix=True)
    assert status("GET", prefixed.replace(f"{container}/?", f"{container}/new?")) == 200
    assert form(client, container, "form") == 201


def test_a_key_set_through_one_proxy_opens_the_others_doors(pair: Pair) -> None:
    """And what came in through them is there for both."""
    for owner, door in pair.either_way():
        with owner.container() as container:
            write(owner, container)
            use(door, container)
            assert owner.names_in(container) == ["dlo", "form", "new", "o"]
            assert owner.get(container, "form").body == b"posted"
            assert owner.head(container, "new").headers["etag"] == md5(b"new").hexdigest()


def test_trap_a_key_of_one_container_does_not_open_another_through_links(pair: Pair) -> None:
    """Neither proxy lets a container's key reach what links and manifests name elsewhere."""
    for owner, door in pair.either_way():
        with owner.container() as container, owner.container() as secret:
            owner.post(container, headers={"X-Container-Meta-Temp-URL-Key": KEY})
            owner.put(secret, "o", body=b"secret")
            owner.put(container, "link", headers={"X-Symlink-Target": f"{secret}/o"})
            owner.put(container, "dlo", headers={"X-Object-Manifest": f"{secret}/{quote('o')}"})
            for name in ("link", "dlo"):
                assert owner.get(container, name).body == b"secret"
                reply = ask(door.store.address, "GET", url(door, "GET", container, name), {})
                assert reply.status != 200, name
                assert b"secret" not in reply.body
