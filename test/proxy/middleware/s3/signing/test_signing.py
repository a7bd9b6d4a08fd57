"""Who has signed a request: judged against the signers of Amazon's and MinIO's libraries."""

from __future__ import annotations

import datetime as dt
import hmac
import time
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.signer import sign_v4_s3
from signers import ACCESS_KEY, HOST, SECRET_KEY, KnownSecrets, received, signed

from apus.proxy.middleware.access_keys import Secret
from apus.proxy.middleware.s3 import operations, signing
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.settings import S3Config
from apus.proxy.middleware.s3.signing import v2, v4
from apus.proxy.middleware.s3.signing.moments import compact

EVERY_KIND = ("v4", "v4-query", "v2", "v2-query")
CONFIG = S3Config(location="north")
SECRETS = KnownSecrets()


def judged(
    environ: dict[str, Any], *, after: float = 0, config: S3Config = CONFIG, secrets: Any = SECRETS
) -> signing.Signed:
    return signing.judged(environ, secrets, config, now=time.time() + after)


def refused(environ: dict[str, Any], **how: Any) -> S3Error:
    with pytest.raises(S3Error) as refusal:
        judged(environ, **how)
    return refusal.value


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/bkt",
        "/bkt/",
        "/bkt/a%20b%2Bc",
        "/bkt/%C3%A9//x/./../%E2%82%AC",
        "/bkt?uploads",
        "/bkt/key?uploadId=a%2Fb&partNumber=2",
        "/bkt/key?response-content-disposition=attachment%3B%20filename%3D%22a%20b%22&versionId=1",
        "/bkt?list-type=2&prefix=a%20%2B%26&delimiter=%2F&encoding-type=url",
    ],
)
def test_what_amazons_library_signs_holds(kind: str, target: str) -> None:
    """Of each kind, for paths and queries of every shape."""
    found = judged(signed(kind, "GET", target))
    assert found.secret == SECRETS.s3_secret(ACCESS_KEY)
    assert found.access_key == ACCESS_KEY


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_any_change_is_noticed(kind: str) -> None:
    """Of method, path, signed header, subresource and signature."""
    headers = {"x-amz-meta-a": "1", "Content-Type": "text/plain"}
    assert judged(signed(kind, "PUT", "/bkt/key?acl", headers=headers)).secret
    changes: list[dict[str, Any]] = [
        {"REQUEST_METHOD": "DELETE"},
        {"RAW_PATH_INFO": "/bkt/other"},
        {"HTTP_X_AMZ_META_A": "2"},
        {"CONTENT_TYPE": "text/html"},
    ]
    for change in changes:
        if kind == "v4-query" and "CONTENT_TYPE" in change:
            continue  # It leaves this one unsigned.
        environ = signed(kind, "PUT", "/bkt/key?acl", headers=headers) | change
        assert refused(environ).status == 403, change
    environ = signed(kind, "PUT", "/bkt/key?acl", headers=headers)
    environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("acl", "torrent")
    assert refused(environ).code == "SignatureDoesNotMatch"


@settings(max_examples=60, deadline=None)
@given(
    key=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30),
    query=st.lists(
        st.tuples(st.sampled_from("abxXé/"), st.text(st.characters(codec="utf-8"), max_size=8)), max_size=4
    ),
    meta=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12),
)
def test_trap_48_every_key_query_and_value_is_written_down_alike(
    key: str, query: list[tuple[str, str]], meta: str
) -> None:
    """Whatever characters they have; parameters may come twice, blanks may be many."""
    target = "/bkt/" + quote(key, safe="/~")
    target += "?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='-_.~')}" for name, value in query)
    assert judged(signed("v4", "PUT", target, headers={"x-amz-meta-a": f"a{meta}b"})).secret


def test_trap_48_minio_signs_empty_values_and_is_understood() -> None:
    """`?location=` is what minio-py asks first."""
    now = dt.datetime.now(dt.UTC)
    headers: dict[str, Any] = {
        "Host": HOST,
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-date": compact(int(now.timestamp())),
    }
    sent = sign_v4_s3(
        method="GET",
        url=urlsplit(f"http://{HOST}/bkt?location="),
        region="us-east-1",
        headers=headers,
        credentials=MinioCredentials(ACCESS_KEY, SECRET_KEY),
        content_sha256="UNSIGNED-PAYLOAD",
        date=now,
    )
    heads = {name: str(value) for name, value in sent.items()}
    assert judged(received("GET", "/bkt?location=", heads)).secret


def test_a_plus_in_a_query_is_a_blank() -> None:
    """As it is for those who read the query afterwards."""
    environ = signed("v4", "GET", "/bkt?prefix=a%20b")
    assert judged(environ | {"QUERY_STRING": "prefix=a+b"}).secret


def test_trap_48_values_are_trimmed_and_joined() -> None:
    """Blanks at the ends and many in a row count for nothing."""
    environ = signed("v4", headers={"x-amz-meta-a": "a   b"})
    assert judged(environ | {"HTTP_X_AMZ_META_A": "  a b\t"}).secret


def test_a_header_may_have_bytes_that_are_not_ascii() -> None:
    """Metadata in UTF-8 come as one character per byte."""
    assert judged(signed("v4", "PUT", headers={"x-amz-meta-a": "é€"})).secret


@pytest.mark.parametrize("access_key", ["a/b:c", "/", "é€:ü", "AK/us-east-1/s3"])
def test_trap_49_access_keys_may_have_slashes_colons_and_letters(access_key: str) -> None:
    """Those of tempauth have a colon."""
    secrets = KnownSecrets({access_key: Secret("s", "AUTH_a", None)})
    for kind in EVERY_KIND:
        assert (
            judged(signed(kind, access_key=access_key, secret_key="s"), secrets=secrets).access_key
            == access_key
        )


def test_trap_49_blanks_after_commas_are_optional_and_order_is_free() -> None:
    """s3cmd sends none."""
    environ = signed("v4")
    text = environ["HTTP_AUTHORIZATION"]
    assert judged(environ | {"HTTP_AUTHORIZATION": text.replace(", ", ",")}).secret
    kind, _, rest = text.partition(" ")
    turned = f"{kind} {','.join(reversed(rest.split(', ')))}"
    assert judged(environ | {"HTTP_AUTHORIZATION": turned}).secret


@pytest.mark.parametrize("region", ["north", "us-east-1", "US", ""])
def test_trap_49_the_usual_regions_are_taken(region: str) -> None:
    """The configured one, the libraries' own, and what s3cmd says before it knows."""
    assert judged(signed("v4", region=region)).secret


@pytest.mark.parametrize(
    ("kind", "code"),
    [("v4", "AuthorizationHeaderMalformed"), ("v4-query", "AuthorizationQueryParametersError")],
)
def test_trap_49_a_wrong_region_is_told_the_right_one(kind: str, code: str) -> None:
    """So that a client can try again."""
    refusal = refused(signed(kind, region="south"))
    assert (refusal.code, refusal.fields["Region"]) == (code, "north")


@pytest.mark.parametrize(
    "text",
    [
        "AWS4-HMAC-SHA256 x",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/20261301/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=ho st, Signature=1",
        "AWS4-HMAC-SHA256 " + "Signature=1, " * 3,
        "AWS4-HMAC-SHA256 Credential=\xff,,,,",
    ],
)
def test_what_cannot_be_read_is_malformed(text: str) -> None:
    """Never an error of ours."""
    environ = signed("v4") | {"HTTP_AUTHORIZATION": text}
    assert refused(environ).code == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("text", ["AWS4-HMAC-SHA256", "AWSx:y", "AWS HAHAHA", "AWS :x", "AWS x:", "Bearer x"])
def test_trap_54_what_has_no_blank_is_no_signature(text: str) -> None:
    """And is told so."""
    assert refused(signed("v2") | {"HTTP_AUTHORIZATION": text}).code == "InvalidArgument"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_authorization_breaks_us(text: str) -> None:
    """Each is refused in S3's words."""
    for start in ("AWS4-HMAC-SHA256 ", "AWS ", "AWS4-HMAC-SHA256 Credential="):
        assert refused(signed("v4") | {"HTTP_AUTHORIZATION": start + text}).status in (400, 403)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_query_breaks_us(text: str) -> None:
    """Each is refused in S3's words."""
    for kind in ("v4-query", "v2-query"):
        environ = signed(kind)
        for start in (environ["QUERY_STRING"] + "&acl&", "X-Amz-Algorithm=", "AWSAccessKeyId="):
            with pytest.raises(S3Error):
                judged(environ | {"QUERY_STRING": start + text + "&torrent"})


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-copy-source",
        "x-amz-acl",
        "x-amz-grant-read",
        "x-amz-meta-a",
        "X_AMZ_COPY_SOURCE",
        "x-amz-tagging",
    ],
)
@pytest.mark.parametrize("kind", ["v4", "v4-query"])
def test_trap_50_a_header_that_nobody_signed_is_refused(name: str, kind: str) -> None:
    """CVE-2026-71191: whoever holds a signed PUT could copy what is private with it."""
    environ = signed(kind, "PUT")
    environ["HTTP_" + name.upper().replace("-", "_")] = "/other/secret"
    refusal = refused(environ)
    assert refusal.code == "AccessDenied"
    assert name.lower().replace("_", "-") in str(refusal.fields["HeadersNotSigned"])


@pytest.mark.parametrize("kind", ["v2", "v2-query"])
@pytest.mark.parametrize("word", ["acl", "versionId=1", "uploads", "tagging", "policy"])
def test_trap_54_a_parameter_is_signed_however_it_is_spelt(kind: str, word: str) -> None:
    """Whoever has a URL for an object could else make one for its tags of it."""
    environ = signed(kind, "PUT", "/bkt/key")
    for added in (word, f"%{ord(word[0]):x}{word[1:]}", f"%{ord(word[0]):X}{word[1:]}"):
        query = "&".join(filter(None, (environ["QUERY_STRING"], added)))
        assert refused(environ | {"QUERY_STRING": query}).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("kind", ["v2", "v2-query"])
@pytest.mark.parametrize("word", ["retention", "publicAccessBlock", "%70ublicAccessBlock", "attributes="])
def test_trap_54_a_parameter_that_version_2_never_signs_is_refused(kind: str, word: str) -> None:
    """In a header as in a query: what was signed is a request without it."""
    environ = signed(kind, "PUT", "/bkt/key")
    query = "&".join(filter(None, (environ["QUERY_STRING"], word)))
    assert refused(environ | {"QUERY_STRING": query}).code == "AccessDenied"


@pytest.mark.parametrize("kind", ["v2", "v2-query"])
def test_trap_50_version_2_signs_them_all(kind: str) -> None:
    """One more is another request."""
    environ = signed(kind, "PUT") | {"HTTP_X_AMZ_COPY_SOURCE": "/other/secret"}
    assert refused(environ).code == "SignatureDoesNotMatch"


def test_trap_50_the_host_must_be_signed() -> None:
    """Else a request for one store was good for any other of the same user."""
    environ = signed("v4")
    environ["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"].replace("host;", "")
    assert refused(environ).fields["HeadersNotSigned"] == "host"


def test_a_presigned_url_of_version_2_is_no_other_subresources() -> None:
    """It does not sign the words that came later: nobody can add one."""
    environ = signed("v2-query", "PUT", "/bkt/key")
    environ["QUERY_STRING"] += "&legal-hold"
    assert refused(environ).code == "AccessDenied"
    assert operations.SUBRESOURCES <= v2.UNSIGNED_WORDS | v2.SIGNED_PARAMETERS


def test_trap_52_the_sum_of_the_body_must_be_said() -> None:
    """In a header, with version 4; and be one that can be meant."""
    environ = signed("v4", "PUT", body=b"x")
    del environ["HTTP_X_AMZ_CONTENT_SHA256"]
    assert refused(environ).code == "InvalidRequest"
    for junk in ("", "junk", "0" * 63, "ä" * 64, "STREAMING-WHATEVER"):
        assert refused(environ | {"HTTP_X_AMZ_CONTENT_SHA256": junk}).code == "InvalidArgument"
    asymmetric = {"HTTP_X_AMZ_CONTENT_SHA256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"}
    assert refused(environ | asymmetric).code == "NotImplemented"


@pytest.mark.parametrize("expires", [0, -7, 604801, 10**12])
def test_trap_53_a_presigned_url_is_good_for_a_week_at_most(expires: int) -> None:
    """And for a second at least."""
    refusal = refused(signed("v4-query", expires=expires))
    assert (refusal.status, refusal.code) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize("kind", ["v4-query", "v2-query"])
def test_trap_53_a_presigned_url_ends(kind: str) -> None:
    """Not before its time."""
    assert judged(signed(kind, expires=100), after=90).secret
    refusal = refused(signed(kind, expires=100), after=102)
    assert (refusal.code, refusal.message) == ("AccessDenied", "Request has expired")


@pytest.mark.parametrize("kind", ["v4-query", "v2-query"])
def test_trap_53_a_url_for_get_is_none_for_head(kind: str) -> None:
    """Nor one for PUT."""
    for method in ("HEAD", "PUT"):
        assert refused(signed(kind) | {"REQUEST_METHOD": method}).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("kind", ["v4-query", "v2-query"])
def test_trap_53_overrides_of_the_answer_are_signed(kind: str) -> None:
    """Nobody makes a page of somebody's text."""
    environ = signed(kind, target="/bkt/key?response-content-type=text%2Fplain")
    assert judged(environ.copy()).secret
    environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("plain", "html")
    assert refused(environ).code == "SignatureDoesNotMatch"
    added = signed(kind)
    added["QUERY_STRING"] += "&response-content-type=text%2Fhtml"
    assert refused(added).code == "SignatureDoesNotMatch"


def test_trap_53_signed_parameters_become_headers() -> None:
    """As JavaScript's library signs URLs; the checksum among them is held against the body."""
    target = "/bkt/key?x-amz-meta-a=1%C3%A9&x-amz-acl=private&x-amz-checksum-crc32=AAAAAA%3D%3D"
    environ = signed("v4-query", "PUT", target)
    judged(environ)
    assert environ["HTTP_X_AMZ_ACL"] == "private"
    assert environ["HTTP_X_AMZ_META_A"] == "1\xc3\xa9"
    assert environ["HTTP_X_AMZ_CHECKSUM_CRC32"] == "AAAAAA=="
    assert "HTTP_X_AMZ_SIGNATURE" not in environ


def test_trap_53_boto3_writes_signed_headers_into_a_query_of_version_2() -> None:
    """They need not come as headers, too; one that somebody adds is another request."""
    headers = {"x-amz-acl": "private", "content-type": "text/plain"}
    environ = signed("v2-query", "PUT", headers=headers)
    del environ["HTTP_X_AMZ_ACL"], environ["CONTENT_TYPE"]
    added = environ | {"QUERY_STRING": environ["QUERY_STRING"] + "&x-amz-copy-source=/other/secret"}
    assert judged(environ).secret
    assert (environ["HTTP_X_AMZ_ACL"], environ["CONTENT_TYPE"]) == ("private", "text/plain")
    assert refused(added).code == "SignatureDoesNotMatch"


def test_a_signed_parameter_brings_no_line_break() -> None:
    """It becomes a header, and must not become two."""
    environ = signed("v4-query", "PUT", "/bkt/key?x-amz-meta-a=1%0D%0AX-Backend-Evil%3A%201")
    assert refused(environ).code == "InvalidArgument"


@pytest.mark.parametrize("kind", ["v4", "v2"])
@pytest.mark.parametrize("after", [-1000, 1000])
def test_trap_55_clocks_may_differ_by_a_quarter_of_an_hour(kind: str, after: float) -> None:
    """Both ways; the answer says what time it is here."""
    assert judged(signed(kind), after=after * 0.85).secret
    refusal = refused(signed(kind), after=after)
    assert (refusal.status, refusal.code) == (403, "RequestTimeTooSkewed")
    assert refusal.fields["ServerTime"]


@pytest.mark.parametrize(
    "moment", ["19500707T215304Z", "Bad Date", "", "20101341T000000Z", "99990707T215304"]
)
def test_trap_55_what_is_no_date_is_denied(moment: str) -> None:
    """Nor one before 1970."""
    environ = signed("v4") | {"HTTP_X_AMZ_DATE": moment}
    environ.pop("HTTP_DATE", None)
    assert refused(environ).code == "AccessDenied"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_trap_56_an_unknown_key_is_nobodys(kind: str) -> None:
    """A wrong secret does not fit."""
    assert refused(signed(kind, access_key="nobody")).code == "InvalidAccessKeyId"
    assert refused(signed(kind, secret_key="wrong")).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_trap_56_a_temporary_key_needs_its_token(kind: str) -> None:
    """And no other; a lasting one has none."""
    secrets = KnownSecrets({"k": Secret("s", "AUTH_a", None, session_token="tök/en+")})
    own: dict[str, Any] = {"access_key": "k", "secret_key": "s"}
    assert judged(signed(kind, token="tök/en+", **own), secrets=secrets).secret
    assert refused(signed(kind, token="other", **own), secrets=secrets).code == "InvalidToken"
    assert refused(signed(kind, **own), secrets=secrets).code == "InvalidToken"
    assert refused(signed(kind, token="any")).code == "InvalidToken"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_trap_56_signatures_are_compared_in_constant_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours with theirs, and no other way: how long it takes does not tell where they differ."""
    compared: list[frozenset[bytes]] = []
    same = hmac.compare_digest

    def compare(ours: bytes, theirs: bytes) -> bool:
        compared.append(frozenset((ours, theirs)))
        return same(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    environ = signed(kind, secret_key="another")
    assert refused(environ).code == "SignatureDoesNotMatch"
    said = environ.get("HTTP_AUTHORIZATION") or environ["QUERY_STRING"]
    signature = said.rpartition(":" if kind == "v2" else "Signature=")[2].partition("&")[0]
    assert any(unquote(signature).encode() in pair for pair in compared)


def test_trap_57_who_signs_nothing_is_a_stranger() -> None:
    """An empty header is none."""
    for headers in ({}, {"Authorization": ""}):
        found = judged(received("GET", "/bkt/key", {"Host": HOST, **headers}))
        assert found.kind is signing.Kind.ANONYMOUS
        assert found.secret is None


def test_a_request_is_signed_once() -> None:
    """In header and query is one too many."""
    environ = signed("v4-query") | {"HTTP_AUTHORIZATION": signed("v4")["HTTP_AUTHORIZATION"]}
    assert refused(environ).code == "InvalidArgument"
    doubled = signed("v4-query")
    doubled["QUERY_STRING"] += "&X-Amz-Expires=600000"
    assert refused(doubled).code == "AuthorizationQueryParametersError"


@pytest.mark.parametrize("kind", ["v4", "v2", "v2-query"])
def test_trap_54_names_of_metadata_may_have_underscores(kind: str) -> None:
    """Of which WSGI knows nothing; many dashes do not make it slow."""
    headers = {"x-amz-meta-one_two-three": "1", "x-amz-meta-a-b": "2"}
    assert judged(signed(kind, "PUT", headers=headers)).secret
    many = {f"x-amz-meta-{'a-' * 100}{number}": "3" for number in range(20)}
    environ = signed(kind, "PUT", headers=many, secret_key="wrong")
    assert refused(environ).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("kind", ["v2", "v2-query"])
def test_trap_54_a_bucket_in_the_host_is_signed_as_a_part_of_the_path(kind: str) -> None:
    """Version 2's way."""
    config = S3Config(storage_domain=("s3.example",))
    environ = signed(kind, target="/k%C3%A9?acl", host="bkt.s3.example", auth_path="/bkt/k%C3%A9")
    assert judged(environ.copy(), config=config).secret
    environ["HTTP_HOST"] = "other.s3.example"
    assert refused(environ, config=config).code == "SignatureDoesNotMatch"


def test_what_we_signed_is_told() -> None:
    """With the string, the canonical request and their bytes, to compare."""
    fields = refused(signed("v4", secret_key="wrong")).fields
    assert str(fields["StringToSign"]).startswith("AWS4-HMAC-SHA256\n")
    assert str(fields["CanonicalRequest"]).startswith("GET\n/bkt/key\n\nhost:store.example:8080\n")
    assert bytes.fromhex(str(fields["CanonicalRequestBytes"])).decode() == fields["CanonicalRequest"]
    assert "secret key" in str(fields["Hint"])


@pytest.mark.parametrize(
    ("host", "seen"), [("store.example", "10.0.0.1:8080"), ("store.example:443", "store.example")]
)
@pytest.mark.parametrize("kind", ["v4", "v4-query"])
def test_a_proxy_that_rewrites_the_host_is_named(kind: str, host: str, seen: str) -> None:
    """It is what most who meet this error have."""
    environ = signed(kind, host=host) | {"HTTP_HOST": seen, "HTTP_X_FORWARDED_HOST": host}
    assert f"right for the host {host}" in str(refused(environ).fields["Hint"])


def test_a_path_that_was_encoded_twice_is_named() -> None:
    """Other services want that, so signers of one's own have it wrong."""
    environ = signed("v4", target="/bkt/a%2520b") | {"RAW_PATH_INFO": "/bkt/a%20b"}
    assert "encoded twice" in str(refused(environ).fields["Hint"])


@given(st.binary(max_size=64), st.text(st.characters(max_codepoint=255)))
def test_a_signature_is_the_hmac(key: bytes, message: str) -> None:
    """A key that is begun once and copied signs as one that is begun anew."""
    expected = hmac.digest(key, message.encode("latin-1"), "sha256").hex()
    assert v4.signature_of(key, message) == expected
