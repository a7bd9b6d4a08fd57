"""Byte for byte what stock Swift 2.38.3 makes of the same requests, keys and random bytes (stock.json)."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from apus.common.constraints import Constraints
from apus.common.http.request import title
from apus.common.http.wsgi import Environ, StartResponse, WSGIApp, to_wsgi
from apus.proxy.footers import FOOTERS, told
from apus.proxy.middleware.encryption import Encryption
from apus.proxy.middleware.encryption.decrypter import Decrypter
from apus.proxy.middleware.encryption.encrypter import Encrypter
from apus.proxy.middleware.inner import call
from apus.proxy.middleware.keymaster import Keymaster, secrets_of

BODY = b"the quick brown fox jumps"
MD5 = hashlib.md5(BODY).hexdigest()
MD5_OF_NOTHING = hashlib.md5(b"").hexdigest()
SECRETS = {
    "encryption_root_secret": base64.b64encode(b"0" * 32).decode(),
    "encryption_root_secret_new": base64.b64encode(b"1" * 40).decode(),
}
COLOUR = to_wsgi("grün")
LINK = f"{MD5_OF_NOTHING}; symlink_target=c/x"
CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("stock.json").read_text())
every_case = pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['active'] or 'unnamed'}-{case['version']}-{case['path']}" for case in CASES]
)


def randomness() -> Callable[[int], bytes]:
    """What stock's `os.urandom` gave when the golden values were made."""
    numbers = itertools.count()
    return lambda size: hashlib.sha256(b"%d" % next(numbers)).digest()[:size]


def pipeline(case: dict[str, Any], app: WSGIApp) -> WSGIApp:
    """The two filters before an application."""
    options = {
        **SECRETS,
        "active_root_secret_id": case["active"],
        "meta_version_to_write": case["version"],
    }
    encrypter = Encrypter(app, Constraints(), randomness=randomness())
    return Keymaster(Encryption(app, encrypter, Decrypter(encrypter)), secrets_of(options, "here"))


def environ(method: str, path: str, body: bytes = b"", **headers: str) -> Environ:
    """A request."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": to_wsgi(path),
        "wsgi.input": BytesIO(body),
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }


def seen_by_the_store(case: dict[str, Any], asked: Environ) -> dict[str, Any]:
    """What arrives behind the filters, and the ETag that comes out before them."""
    seen: dict[str, Any] = {}

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] != "GET" else b""
        seen["body"] = base64.b64encode(body).decode()
        seen["headers"] = {title(key): value for key, value in environ.items() if key.startswith("HTTP_")}
        if FOOTERS in environ:
            seen["footers"] = told(environ[FOOTERS])
        start_response("201 Created", [("Etag", hashlib.md5(body).hexdigest())])
        return []

    reply = call(pipeline(case, app), asked)
    return {**seen, "status": reply.status, "etag": reply.headers["etag"]}


@every_case
def test_a_put_is_stored_as_stock_stores_it(case: dict[str, Any]) -> None:
    """Body, metadata, and all that is told behind it."""
    asked = environ("PUT", case["path"], BODY, X_OBJECT_META_COLOUR=COLOUR, X_OBJECT_META_EMPTY="")
    assert seen_by_the_store(case, asked) == case["put"]


@every_case
def test_what_has_no_body_is_listed_as_stock_lists_it(case: dict[str, Any]) -> None:
    """A symlink's ETag in listings says where it leads, and is sealed."""
    asked = environ(
        "PUT",
        case["path"],
        X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG=LINK,
        ETAG=MD5_OF_NOTHING,
    )
    assert seen_by_the_store(case, asked) == case["empty"]


@every_case
def test_a_post_is_stored_as_stock_stores_it(case: dict[str, Any]) -> None:
    """Metadata alone."""
    asked = environ("POST", case["path"], X_OBJECT_META_COLOUR=COLOUR, X_OBJECT_META_EMPTY="")
    assert seen_by_the_store(case, asked) == case["post"]


@every_case
def test_conditions_are_asked_as_stock_asks_them(case: dict[str, Any]) -> None:
    """Each ETag and what stands for it under each secret; afterwards the request is as it was."""
    asked = environ("GET", case["path"], IF_NONE_MATCH='"0123", *', IF_MATCH="abc")
    before = dict(asked)
    wanted, seen = case["get"]["headers"], {}

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.update({title(key): value for key, value in environ.items() if key.startswith("HTTP_")})
        start_response("200 OK", [])
        return []

    call(pipeline(case, app), asked)
    assert seen.pop("X-Backend-Etag-Is-At") == wanted["X-Backend-Etag-Is-At"]
    for name, value in seen.items():
        assert {each.strip('"') for each in value.split(", ")} == {
            each.strip('"') for each in wanted[name]
        }, name
    assert {key: value for key, value in asked.items() if key in before} == before
    assert "HTTP_X_BACKEND_ETAG_IS_AT" not in asked


def served(stored: dict[str, Any], body: bytes) -> WSGIApp:
    """A store that answers what stock has put there."""
    headers = {**stored["headers"], **stored.get("footers", {})}

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    return app


@every_case
@pytest.mark.parametrize("active", ["", "new"])
def test_what_stock_has_encrypted_is_read(case: dict[str, Any], active: str) -> None:
    """Under whichever secret we would write now."""
    stored = case["put"]
    app = pipeline({**case, "active": active}, served(stored, base64.b64decode(stored["body"])))
    reply = call(app, environ("GET", case["path"]))
    assert (reply.status, reply.read()) == (200, BODY)
    assert reply.headers["etag"] == MD5
    assert reply.headers["x-object-meta-colour"] == COLOUR
    assert reply.headers["x-object-sysmeta-container-update-override-etag"] == MD5
    assert not [name for name in reply.headers if "sysmeta-crypto" in name]
    link = call(
        pipeline({**case, "active": active}, served(case["empty"], b"")), environ("HEAD", case["path"])
    )
    assert link.headers["x-object-sysmeta-container-update-override-etag"] == LINK


@every_case
@pytest.mark.parametrize("active", ["", "new"])
def test_listings_of_stocks_objects_are_read(case: dict[str, Any], active: str) -> None:
    """One hash that is sealed among others that are not."""
    name = "X-Object-Sysmeta-Container-Update-Override-Etag"
    rows = [{"hash": "abc", "name": "plain"}, {"hash": case["put"]["footers"][name], "name": "o"}]
    rows += [{"subdir": "d/"}, {"hash": case["empty"]["footers"][name], "name": "link"}]

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        document = json.dumps(rows).encode()
        start_response(
            "200 OK",
            [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(document)))],
        )
        return [document]

    reply = call(pipeline({**case, "active": active}, app), environ("GET", "/v1/AUTH_a/c"))
    document = reply.read()
    assert reply.headers["content-length"] == str(len(document))
    assert [row.get("hash") for row in json.loads(document)] == ["abc", MD5, None, LINK]
