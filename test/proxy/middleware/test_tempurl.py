"""Temporary URLs: what is signed may be done, by whom and until when it says, and nothing else."""

from __future__ import annotations

import base64
import hmac
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, Reply, ask

from apus.common import info
from apus.common.errors import Refused
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import proxy_logging
from apus.proxy.middleware.signatures import Signature, allowed_digests
from apus.proxy.middleware.tempurl import Grant, Tempurl, TempurlConfig, disposition, filter_factory

PATH = "/v1/AUTH_a/c/o"
LATER = int(time.time()) + 86_400
KEYS = {"temp-url-key": "one", "temp-url-key-2": "two"}
CONTAINER_KEYS = {"temp-url-key": "three", "temp-url-key-2": "four"}


class Store(FixedApp):
    """What stands behind, with four keys."""

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        return AccountInfo(status=204, meta=KEYS)

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204, meta=CONTAINER_KEYS)


def signature(
    method: str = "GET",
    path: str = PATH,
    *,
    expires: int = LATER,
    key: str = "one",
    digest: str = "sha256",
    ip: str | None = None,
) -> str:
    """A signature in hexadecimal digits, as stock's documents compute it."""
    message = f"{method}\n{expires}\n{path}"
    if ip:
        message = f"ip={ip}\n{message}"
    return hmac.new(key.encode(), message.encode(), digest).hexdigest()


def visit(
    method: str = "GET",
    path: str = PATH,
    *,
    app: Store | None = None,
    config: TempurlConfig | None = None,
    headers: dict[str, str] | None = None,
    environ: dict[str, Any] | None = None,
    **query: str,
) -> tuple[Reply, Store]:
    """Make a request with a query."""
    store = app or Store()
    words = {"temp_url_sig": signature(), "temp_url_expires": str(LATER), **query}
    tempurl = Tempurl(store, config or TempurlConfig())
    reply = ask(tempurl, method, path, headers=headers, query=urlencode(words), environ=environ)
    return reply, store


def test_a_request_without_one_passes_untouched() -> None:
    """With a query of its own or none, and so does a preflight."""
    store = Store()
    tempurl = Tempurl(store, TempurlConfig())
    for query in ("", "format=json", "filename=x&inline", "prefix=temp_url_sig%3D"):
        assert ask(tempurl, "GET", PATH, query=query).status == 200
        assert store.seen[-1]["QUERY_STRING"] == query
        assert "swift.authorize_override" not in store.seen[-1]
    assert ask(tempurl, "OPTIONS", PATH, query="temp_url_sig=x").status == 200


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("key", ["one", "two", "three", "four"])
def test_trap_36_tempurl_knows_four_keys_and_two_digests(digest: str, key: str) -> None:
    """Two of the account, two of the container."""
    reply, store = visit(temp_url_sig=signature(key=key, digest=digest))
    assert reply.status == 200
    assert store.seen[0]["REMOTE_USER"] == ".wsgi.tempurl"
    assert store.seen[0]["swift.authorize_override"] is True


def test_trap_36_tempurl_refuses_sha1_by_default() -> None:
    """An operator may allow it."""
    old = signature(digest="sha1")
    assert visit(temp_url_sig=old)[0].status == 401
    assert visit(temp_url_sig=old, config=TempurlConfig(allowed_digests="sha1"))[0].status == 200


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_trap_36_tempurl_takes_base64_in_both_alphabets(encode: Any, padded: bool, digest: str) -> None:
    """With the algorithm in front, with or without padding."""
    for moment in range(LATER, LATER + 20):  # Some of them have the letters in which the alphabets differ.
        raw = bytes.fromhex(signature(expires=moment, digest=digest))
        text = encode(raw).decode()
        sent = f"{digest}:{text if padded else text.rstrip('=')}"
        assert visit(temp_url_sig=sent, temp_url_expires=str(moment))[0].status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        "0" * 64,
        "sha256:",
        "md5:" + "A" * 22,
        "sha512:****",
        "é" * 32,
        "0" * 63,
        "sha256:" + "A" * 43,
        "g" * 64,
    ],
)
def test_a_signature_that_is_none_is_refused(wrong: str) -> None:
    """With 401, the realm of the account, and a sentence."""
    reply, store = visit(temp_url_sig=wrong)
    assert (reply.status, reply.text) == (401, "401 Unauthorized: Temp URL invalid\n")
    assert reply.headers["www-authenticate"] == 'Swift realm="AUTH_a"'
    assert store.seen == []


@pytest.mark.parametrize("signed", ["GET", "PUT", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "HEAD", "COPY"])
def test_trap_36_tempurl_head_is_allowed_by_get_put_and_post(signed: str, method: str) -> None:
    """Every other method only by its own signature; COPY by none."""
    allowed = method == signed or (method == "HEAD" and signed in ("GET", "PUT", "POST"))
    reply, _ = visit(method, temp_url_sig=signature(signed))
    assert reply.status == (200 if allowed and method != "COPY" else 401)


@pytest.mark.parametrize("header", ["X-Object-Manifest", "X-Symlink-Target", "X-Copy-From"])
@pytest.mark.parametrize(("method", "status"), [("PUT", 400), ("POST", 400), ("DELETE", 400), ("GET", 200)])
def test_trap_36_tempurl_makes_no_pointers(header: str, method: str, status: int) -> None:
    """Or who may write one object could read any other."""
    reply, _ = visit(method, temp_url_sig=signature(method), headers={header: "c/secret"})
    assert reply.status == status
    assert status == 200 or header in reply.text


def test_trap_36_tempurl_for_a_prefix() -> None:
    """Good for all names that begin so, and for no other."""
    prefix = signature(path="prefix:/v1/AUTH_a/c/pre")
    for path, status in (("/v1/AUTH_a/c/pre", 200), ("/v1/AUTH_a/c/pre/x/y", 200), ("/v1/AUTH_a/c/pr", 401)):
        assert visit(path=path, temp_url_sig=prefix, temp_url_prefix="pre")[0].status == status
    assert visit(path="/v1/AUTH_a/other/pre", temp_url_sig=prefix, temp_url_prefix="pre")[0].status == 401
    assert visit(path="/v1/AUTH_a/c/pre", temp_url_sig=prefix)[0].status == 401
    assert visit(path="/v1/AUTH_a/c/pre", temp_url_sig=prefix, temp_url_prefix="")[0].status == 401


@pytest.mark.parametrize(
    ("signed", "sent", "status"),
    [
        ("192.0.2.7", "192.0.2.7", 200),
        ("192.0.2.0/24", "192.0.2.0/24", 200),
        ("192.0.2.7", "192.0.2.0/24", 401),
        ("198.51.100.0/24", "198.51.100.0/24", 401),
        ("192.0.2.1/24", "192.0.2.1/24", 401),
        ("::1", "::1", 401),
        ("192.0.2.7", None, 401),
        (None, "192.0.2.7", 401),
    ],
)
def test_trap_36_tempurl_for_a_range_of_addresses(signed: str | None, sent: str | None, status: int) -> None:
    """The range is signed, and the client's address lies in it."""
    query: dict[str, Any] = {"temp_url_ip_range": sent} if sent else {}
    assert visit(temp_url_sig=signature(ip=signed), **query)[0].status == status


@pytest.mark.parametrize(
    "text", ["0", "-1", "just over", "soon", "", "1e12", "9" * 5000, "2001-01-01T00:00:00Z"]
)
def test_trap_36_tempurl_expires(text: str) -> None:
    """What is over, or no moment, is refused, signed or not."""
    text = str(int(time.time()) - 5) if text == "just over" else text
    signed = int(text) if text.lstrip("-").isdigit() and len(text) < 99 else 0
    assert visit(temp_url_sig=signature(expires=signed), temp_url_expires=text)[0].status == 401


def test_trap_36_tempurl_expires_may_be_a_date() -> None:
    """What is signed is the number all the same."""
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(LATER))
    reply, _ = visit(temp_url_expires=text)
    assert reply.status == 200
    assert reply.headers["expires"].endswith("GMT")
    far = 10**15
    assert visit(temp_url_sig=signature(expires=far), temp_url_expires=str(far))[0].status == 200


def test_trap_36_tempurl_signs_the_decoded_path() -> None:
    """Names are signed as they are, not as they are encoded on the way."""
    name = "/v1/AUTH_a/c/å b/%41?"
    sent = name.encode().decode("latin-1")
    assert visit(path=sent, temp_url_sig=signature(path=name))[0].status == 200
    assert visit(path=sent, temp_url_sig=signature(path=quote(name)))[0].status == 401


@pytest.mark.parametrize(
    "path", ["/v1/AUTH_a", "/v1/AUTH_a/c", "/v1/AUTH_a/c/", "/v1/AUTH_a/c//", "/v2/AUTH_a/c/o", "/info", "x"]
)
def test_only_objects_have_them(path: str) -> None:
    """Not containers, accounts, or what is none of them."""
    assert visit(path=path, temp_url_sig=signature(path=path))[0].status == 401


def test_the_root_of_a_container_is_only_a_website() -> None:
    """Where the prefix is empty, and what answers is a page and no listing."""
    signed: dict[str, Any] = {"temp_url_sig": signature(path="prefix:/v1/AUTH_a/c/"), "temp_url_prefix": ""}
    page = Store(headers=[("X-Backend-Content-Generator", "staticweb")], body=[b"<html>"])
    reply, _ = visit(path="/v1/AUTH_a/c/", app=page, **signed)
    assert (reply.status, reply.text, reply.headers["content-disposition"]) == (200, "<html>", "inline")
    reply, _ = visit(path="/v1/AUTH_a/c/", app=Store(body=[b"secret listing"]), **signed)
    assert (reply.status, reply.text) == (401, "401 Unauthorized: Temp URL invalid\n")
    assert visit("PUT", "/v1/AUTH_a/c/", **signed)[0].status == 401


@pytest.mark.parametrize(
    ("key", "path", "allowed"),
    [
        ("one", "/v1/AUTH_a/c/other", True),
        ("one", "/v1/AUTH_a/d/other", True),
        ("one", "/v1/AUTH_b/c/o", False),
        ("three", "/v1/AUTH_a/c/other", True),
        ("three", "/v1/AUTH_a/d/o", False),
        ("three", "/v1/AUTH_b/c/o", False),
        ("three", "/v1/AUTH_a", False),
    ],
)
def test_trap_36_tempurl_reaches_as_far_as_its_key(key: str, path: str, allowed: bool) -> None:
    """What filters ask for on its behalf stays in the account, or in the container, that has the key."""
    _, store = visit(temp_url_sig=signature(key=key))
    asking = {**store.seen[0], "PATH_INFO": path}
    refusal = store.seen[0]["apus.authorize"](asking)
    assert (refusal is None) == allowed
    assert allowed or refusal.status == 401
    assert "apus.owner" not in store.seen[0]


def test_trap_36_tempurl_hides_metadata() -> None:
    """Except what is called public."""
    store = Store(headers=[("X-Object-Meta-Secret", "1"), ("x-object-meta-public-a", "2"), ("Etag", "3")])
    reply, _ = visit(app=store, headers={"X-Open-Expired": "true", "X-Timestamp": "1"})
    assert "x-object-meta-secret" not in reply.headers
    assert (reply.headers["x-object-meta-public-a"], reply.headers["etag"]) == ("2", "3")
    assert not {"HTTP_X_OPEN_EXPIRED", "HTTP_X_TIMESTAMP"} & store.seen[0].keys()


def test_nothing_that_was_not_signed_reaches_the_filters_behind() -> None:
    """A query cannot turn one request into another."""
    unsigned: dict[str, Any] = {"multipart-manifest": "put", "symlink": "get"}
    _, store = visit("PUT", temp_url_sig=signature("PUT"), **unsigned)
    assert "multipart" not in store.seen[0]["QUERY_STRING"]
    assert "symlink" not in store.seen[0]["QUERY_STRING"]


@pytest.mark.parametrize(
    ("query", "stored", "said"),
    [
        ({}, None, "attachment; filename=\"o\"; filename*=UTF-8''o"),
        ({}, "inline; filename=x", "inline; filename=x"),
        (
            {"filename": "ü b.pdf"},
            "inline",
            "attachment; filename=\"%C3%BC b.pdf\"; filename*=UTF-8''%C3%BC%20b.pdf",
        ),
        ({"inline": ""}, None, "inline"),
        ({"inline": "", "filename": 'a"b'}, None, "inline; filename=\"a%22b\"; filename*=UTF-8''a%22b"),
    ],
)
def test_trap_36_tempurl_names_the_file(query: dict[str, Any], stored: str | None, said: str) -> None:
    """As the URL says, else as it was stored, else by the object's name; RFC 5987 beside the plain form."""
    store = Store(headers=[("Content-Disposition", stored)] if stored else [])
    reply, _ = visit(app=store, **query)
    assert reply.headers["content-disposition"] == said


@given(st.text(), st.booleans())
def test_no_file_name_breaks_out_of_its_header(name: str, inline: bool) -> None:
    """Whatever is asked for."""
    for said in (
        disposition(inline=inline, filename=name, stored=None, name="o"),
        disposition(inline=inline, filename=None, stored=None, name=name),
    ):
        assert said.isascii()
        assert said.isprintable()
        assert said.count('"') in (0, 2)


@given(st.text())
def test_no_signature_and_no_query_breaks_the_parsers(text: str) -> None:
    """They are read, or refused as what they are."""
    try:
        Signature.parse(text)
    except ValueError:
        pass
    query = "temp_url_sig=" + text.encode("utf-8", "surrogatepass").decode("latin-1")
    grant = Grant.parse(query)
    assert grant is not None
    assert grant.query().isascii()
    grant.expires_at()


def test_cve_2017_8761_signatures_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither of the request, nor of the page it comes from."""
    caplog.set_level("INFO", logger=proxy_logging.__name__)
    secret = signature()
    logged = proxy_logging.filter_factory({})(Tempurl(Store(), TempurlConfig()))
    query = urlencode({"temp_url_sig": secret, "temp_url_expires": LATER})
    headers = {"Referer": f"http://store{PATH}?a=b&{query}"}
    for sent in (query, query.replace("temp_url_sig", "temp%5Furl_sig")):
        assert ask(logged, "GET", PATH, query=sent, headers=headers).status == 200
    lines = [repr(vars(record)) for record in caplog.records]
    assert len(lines) == 2
    assert all(secret not in line and secret[:8] in line for line in lines)


def test_capabilities_are_published() -> None:
    """As stock publishes them; unknown algorithms are refused at start."""
    filter_factory({}, allowed_digests="sha1 sha512")
    said = info.public()["tempurl"]
    assert said["allowed_digests"] == ["sha1", "sha512"]
    assert said["deprecated_digests"] == ["sha1"]
    assert said["methods"] == ["GET", "HEAD", "PUT", "POST", "DELETE"]
    assert said["outgoing_allow_headers"] == ["x-object-meta-public-*"]
    for wrong in ("md5", ""):
        with pytest.raises(Refused):
            allowed_digests(wrong.split())
