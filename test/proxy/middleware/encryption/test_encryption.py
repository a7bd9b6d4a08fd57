"""Laws of the encryption filter that are not about bytes: what it leaves alone, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.constraints import Constraints
from apus.common.errors import Refused
from apus.common.http.wsgi import Environ, StartResponse, WSGIApp
from apus.proxy.footers import FOOTERS, told
from apus.proxy.middleware.encryption import OVERRIDE, Encryption
from apus.proxy.middleware.encryption.cipher import CannotDecrypt, Crypto, WrappedKey, seal, sealed_by, unseal
from apus.proxy.middleware.encryption.decrypter import Decrypter
from apus.proxy.middleware.encryption.encrypter import Encrypter
from apus.proxy.middleware.inner import Reply, call
from apus.proxy.middleware.keymaster import Keymaster, secrets_of

SECRET = base64.b64encode(b"s" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
PATH = "/v1/AUTH_a/c/o"
keys = st.binary(min_size=32, max_size=32)
ivs = st.binary(min_size=16, max_size=16)


class Memory:
    """A store that keeps one object."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            kept = {
                key[5:].replace("_", "-"): value
                for key, value in environ.items()
                if key.startswith("HTTP_X_OBJECT_")
            }
            if environ["REQUEST_METHOD"] == "PUT":
                self.body = environ["wsgi.input"].read()
                kept["Etag"] = hashlib.md5(self.body).hexdigest()
                try:
                    kept.update(told(environ[FOOTERS]) if FOOTERS in environ else {})
                except Refused as refused:
                    start_response(f"{refused.status} Refused", [])
                    return []
                self.headers = {}
            self.headers.update(kept)
            start_response("201 Created", [("Etag", self.headers["Etag"])])
            return []
        start_response("200 OK", [*self.headers.items(), ("Access-Control-Expose-Headers", "etag")])
        return [self.body]


def filtered(app: WSGIApp, more: dict[str, str] | None = None, *, is_writing: bool = True) -> WSGIApp:
    """The two filters before an application."""
    options = {"encryption_root_secret": SECRET, **(more or {})}
    encrypter = Encrypter(app, Constraints(), is_writing=is_writing)
    return Keymaster(Encryption(app, encrypter, Decrypter(encrypter)), secrets_of(options, "here"))


def ask(
    app: WSGIApp,
    method: str,
    body: bytes = b"",
    path: str = PATH,
    environ: dict[str, Any] | None = None,
    **headers: str,
) -> Reply:
    asked = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": BytesIO(body), **headers}
    return call(app, {**asked, **(environ or {})})


def test_what_is_put_comes_back_and_lies_encrypted() -> None:
    """Neither body nor ETag nor metadata can be read from the disk."""
    memory = Memory()
    app = filtered(memory)
    reply = ask(app, "PUT", b"plain text", HTTP_X_OBJECT_META_A="a secret", HTTP_ORIGIN="http://page")
    etag = hashlib.md5(b"plain text").hexdigest()
    assert reply.headers["etag"] == etag
    everything = memory.body + json.dumps(memory.headers).encode()
    for word in (b"plain text", b"a secret", etag.encode()):
        assert word not in everything
    reply = ask(app, "GET")
    assert (reply.read(), reply.headers["etag"]) == (b"plain text", etag)
    assert reply.headers["x-object-meta-a"] == "a secret"
    assert reply.headers["x-backend-crypto-cipher"] == "AES_CTR_256"


def test_trap_41_encrypted_metadata_is_exposed_to_pages_of_other_origins() -> None:
    """Its names are only known once it is decrypted."""
    app = filtered(Memory())
    ask(app, "PUT", b"x", HTTP_X_OBJECT_META_A="1")
    assert ask(app, "GET").headers["access-control-expose-headers"] == "etag, x-object-meta-a"


def test_two_uploads_of_the_same_have_nothing_in_common() -> None:
    """Each body has a key of its own."""
    one, two = Memory(), Memory()
    for memory in (one, two):
        ask(filtered(memory), "PUT", b"the same")
    assert one.body != two.body
    assert one.headers["Etag"] != two.headers["Etag"]


def test_a_wrong_etag_is_422() -> None:
    """It is held against what the client sent, not against what is stored."""
    app = filtered(Memory())
    assert ask(app, "PUT", b"x", HTTP_ETAG="0" * 32).status == 422
    assert ask(app, "PUT", b"x", HTTP_ETAG=hashlib.md5(b"x").hexdigest()).status == 201


def test_an_earlier_filters_footers_come_first() -> None:
    """It may name the ETag that is expected, and what is listed."""
    memory = Memory()
    app = filtered(memory)

    def expect_another(footers: dict[str, str]) -> None:
        footers["Etag"] = "0" * 32

    assert ask(app, "PUT", b"x", environ={FOOTERS: expect_another}).status == 422

    def name_the_listed(footers: dict[str, str]) -> None:
        footers["X-Object-Sysmeta-Container-Update-Override-Etag"] = "abc; s3_etag=def"

    assert ask(app, "PUT", b"x", environ={FOOTERS: name_the_listed}).status == 201
    listed = ask(app, "GET").headers["x-object-sysmeta-container-update-override-etag"]
    assert listed == "abc; s3_etag=def"


def test_limits_are_those_of_what_the_client_sent() -> None:
    """And a breach of them is 400, before anything is stored."""
    app = filtered(Memory())
    assert ask(app, "PUT", b"x", HTTP_X_OBJECT_META_A="x" * 257).status == 400
    assert ask(app, "POST", HTTP_X_OBJECT_META_A="x" * 257).status == 400
    assert ask(app, "PUT", b"x", HTTP_X_OBJECT_META_A="x" * 256).status == 201


def test_switched_off_it_still_decrypts() -> None:
    """New objects lie open; old ones, and their metadata, are read as ever."""
    memory = Memory()
    ask(filtered(memory), "PUT", b"encrypted", HTTP_X_OBJECT_META_A="1")
    off = filtered(memory, is_writing=False)
    reply = ask(off, "GET")
    assert (reply.read(), reply.headers["x-object-meta-a"]) == (b"encrypted", "1")
    ask(off, "PUT", b"open")
    assert memory.body == b"open"
    assert ask(filtered(memory), "GET").read() == b"open"


def test_without_its_secret_an_object_is_500_and_never_nonsense(caplog: pytest.LogCaptureFixture) -> None:
    """Both where the secret's name is unknown and where another secret has its name."""
    memory = Memory()
    named = {"encryption_root_secret_a": OTHER, "active_root_secret_id": "a"}
    ask(filtered(memory, named), "PUT", b"x" * 100)
    for app in (filtered(memory), filtered(memory, {"encryption_root_secret_a": SECRET})):
        with caplog.at_level(logging.ERROR):
            reply = ask(app, "GET")
        assert (reply.status, reply.read()) == (500, b"Error decrypting object")
    assert len(caplog.records) == 2
    assert OTHER not in caplog.text
    assert SECRET not in caplog.text
    assert ask(filtered(memory, {"encryption_root_secret_a": OTHER}), "GET").read() == b"x" * 100


def test_without_its_secret_a_row_is_unknown(caplog: pytest.LogCaptureFixture) -> None:
    """The listing is served, and the log has one line for all its rows."""
    memory = Memory()
    named = {"encryption_root_secret_a": OTHER, "active_root_secret_id": "a"}
    ask(filtered(memory, named), "PUT", b"x")
    value = memory.headers["X-Object-Sysmeta-Container-Update-Override-Etag"]
    document = json.dumps([{"name": "o", "hash": value}, {"name": "p", "hash": value}]).encode()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [document]

    with caplog.at_level(logging.ERROR):
        rows = json.loads(ask(filtered(app), "GET", path="/v1/AUTH_a/c").read())
    assert [row["hash"] for row in rows] == ["<unknown>"] * 2
    assert len(caplog.records) == 1


def test_without_a_keymaster_nothing_is_stored() -> None:
    """500, before a byte has been passed on."""
    memory = Memory()
    encrypter = Encrypter(memory, Constraints())
    app = Encryption(memory, encrypter, Decrypter(encrypter))
    for method in ("PUT", "POST"):
        reply = ask(app, method, b"x", HTTP_X_OBJECT_META_A="1")
        assert (reply.status, reply.read()) == (500, b"Unable to retrieve encryption keys.")
    assert not memory.headers


def test_who_moves_what_is_stored_gets_it_as_it_is() -> None:
    """Neither encrypted twice nor decrypted."""
    memory = Memory()
    app = filtered(memory)
    ask(app, "PUT", b"x" * 40)
    assert ask(app, "GET", environ={OVERRIDE: True}).read() == memory.body
    ask(app, "PUT", b"raw", environ={OVERRIDE: "true"})
    assert memory.body == b"raw"


@given(st.text(st.characters(max_codepoint=255), min_size=1), keys, ivs)
def test_a_sealed_value_can_be_unsealed(value: str, key: bytes, iv: bytes) -> None:
    """Whatever bytes it carries; and a value that was never sealed is known as such."""
    sealed = sealed_by(seal(value, key, iv, {"v": "2", "path": "/a"}))
    assert sealed is not None
    assert sealed[1] == Crypto(iv, {"v": "2", "path": "/a"})
    assert unseal(*sealed, key) == value
    assert sealed_by("d41d8cd98f00b204e9800998ecf8427e; slo_etag=abc") is None


@given(keys, keys, ivs, ivs)
def test_what_is_said_of_a_body_is_understood(key: bytes, wrapping: bytes, iv: bytes, other: bytes) -> None:
    """The body's key comes out of its wrapping."""
    wrapped = WrappedKey.of(key, wrapping, other)
    crypto = Crypto.load(Crypto(iv, {"v": "3", "path": "/a/c/é"}, wrapped).dump())
    assert crypto.body_key is not None
    assert crypto.body_key.unwrap(wrapping) == key


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", "%7B%7D", '{"cipher": "ROT_13"}', '{"cipher": "AES_CTR_256", "iv": "AAAA"}'],
)
def test_nonsense_is_not_understood(text: str) -> None:
    """And raises nothing but the one error."""
    with pytest.raises(CannotDecrypt):
        Crypto.load(text)


@given(st.text(max_size=50))
def test_no_text_breaks_the_parser(text: str) -> None:
    """It is understood or refused."""
    for read in (Crypto.load, lambda value: sealed_by(f"x; swift_meta={value}")):
        try:
            read(text)
        except CannotDecrypt:
            pass


ROTATION: list[dict[str, str]] = [
    {},
    {"encryption_root_secret_new": OTHER},
    {"encryption_root_secret_new": OTHER, "active_root_secret_id": "new"},
]
"""What a proxy is told, step after step of doc/operating.md."""


@pytest.mark.parametrize("is_behind", [True, False], ids=["reader behind", "reader ahead"])
@pytest.mark.parametrize("step", range(len(ROTATION) - 1))
def test_a_rotation_that_stops_between_two_proxies_loses_nothing(step: int, is_behind: bool) -> None:
    """One has been restarted, the other not yet: what either writes both read, and the rest of it can follow."""
    memory = Memory()
    ahead, behind = filtered(memory, ROTATION[step + 1]), filtered(memory, ROTATION[step])
    writer, reader = (ahead, behind) if is_behind else (behind, ahead)
    ask(writer, "PUT", b"plain text", HTTP_X_OBJECT_META_A="one")
    assert ask(reader, "GET").read() == b"plain text"
    ask(reader, "POST", HTTP_X_OBJECT_META_A="two")  # Now body and metadata may have different secrets.
    finished = filtered(memory, ROTATION[-1])
    for app in (writer, reader, finished):
        reply = ask(app, "GET")
        assert (reply.read(), reply.headers["x-object-meta-a"]) == (b"plain text", "two")
