"""Laws of forms: what was signed when they came is what counts until they are answered."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from one_request import Environ, Reply, ask

from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import formpost

PATH = "/v1/AUTH_a/c/prefix-"
EXPIRES = 1000
BOUNDARY = "the-boundary"


@dataclass(eq=False)
class Store:
    """A proxy whose uploads take their time."""

    seconds: int = 0
    now: float = EXPIRES - 1
    stored: dict[str, bytes] = field(default_factory=dict)

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return AccountInfo(status=204, really_exists=True, meta={"temp-url-key": "key"})

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = b""
        while data := environ["wsgi.input"].read(5):
            body += data
        self.stored[environ["PATH_INFO"]] = body
        self.now += self.seconds
        return Answer(201)(environ, start_response)


def form(files: list[bytes], *, redirect: str = "", shown: str | None = None) -> bytes:
    """A form with these files; `shown` is the redirect that stands in it, where that is another."""
    words = (PATH, redirect, "100", "10", str(EXPIRES))
    signature = hmac.digest(b"key", "\n".join(words).encode(), "sha256").hex()
    fields = dict(zip(("redirect", "max_file_size", "max_file_count", "expires"), words[1:], strict=True))
    fields["signature"] = signature
    if shown is not None:
        fields["redirect"] = shown
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'name="file"; filename="{number}"', body) for number, body in enumerate(files)]
    text = b""
    for attributes, value in parts:
        text += (
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; {attributes}\r\n\r\n".encode() + value + b"\r\n"
        )
    return text + f"--{BOUNDARY}--\r\n".encode()


def sent(store: Store, body: bytes, monkeypatch: pytest.MonkeyPatch) -> Reply:
    """The answer to a form."""
    monkeypatch.setattr(formpost, "time", SimpleNamespace(time=lambda: store.now))
    kind = {"CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}"}
    return ask(formpost.filter_factory({})(store), "POST", PATH, body=body, environ=kind)


def test_files_are_stored_and_the_visitor_is_sent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the path's beginning and the file's name."""
    store = Store()
    reply = sent(store, form([b"one", b"two"], redirect="http://there/"), monkeypatch)
    assert (reply.status, reply.headers["location"]) == (303, "http://there/?status=201&message=")
    assert store.stored == {f"{PATH}0": b"one", f"{PATH}1": b"two"}


def test_a_form_that_expires_meanwhile_is_answered_as_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is not said to have failed; a file that comes too late is refused."""
    store = Store(seconds=5)
    reply = sent(store, form([b"one"], redirect="http://there/"), monkeypatch)
    assert (reply.status, reply.headers["location"]) == (303, "http://there/?status=201&message=")
    late = Store(seconds=5)
    reply = sent(late, form([b"one", b"two"], redirect="http://there/"), monkeypatch)
    assert (reply.status, reply.body) == (401, b"FormPost: Form Expired")
    assert late.stored == {f"{PATH}0": b"one"}


@pytest.mark.parametrize("files", [[], [b"one"]])
def test_only_a_signed_redirect_is_followed(files: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else sends our visitors anywhere."""
    store = Store()
    reply = sent(store, form(files, redirect="http://there/", shown="http://elsewhere/"), monkeypatch)
    assert (reply.status, store.stored) == (401, {})
    assert "location" not in reply.headers


def test_an_expired_form_sends_nobody_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was signed."""
    reply = sent(Store(now=EXPIRES + 1), form([], redirect="http://there/"), monkeypatch)
    assert (reply.status, reply.body) == (401, b"FormPost: Form Expired")
