"""What an object says of itself, in S3's headers and in the store's."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3 import metadata
from apus.proxy.middleware.s3.errors import S3Error

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)


def wsgi(text: str) -> str:
    return text.encode().decode("latin-1")


def test_metadata_go_in_and_out() -> None:
    """Under the store's names inside, under S3's outside."""
    kept = metadata.stored({"HTTP_X_AMZ_META_ONE_TWO": "3", "HTTP_X_AMZ_DATE": "x", "CONTENT_TYPE": "y"})
    assert kept == {"HTTP_X_OBJECT_META_ONE_TWO": "3"}
    said, facts = metadata.shown([("X-Object-Meta-One-Two", "3"), ("X-Trans-Id", "t")])
    assert (said, facts) == ({"x-amz-meta-one-two": "3"}, {})


@pytest.mark.parametrize(
    "environ",
    [
        {
            "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 SignedHeaders=host;x-amz-meta-a_b-c;x-amz-date, Signature=1"
        },
        {"QUERY_STRING": "X-Amz-SignedHeaders=host%3Bx-amz-meta-a_b-c&X-Amz-Signature=1"},
    ],
)
def test_trap_86_underscores_are_kept(environ: dict[str, str]) -> None:
    """As stock Swift keeps them; the names that were signed tell where they are."""
    kept = metadata.stored({**environ, "HTTP_X_AMZ_META_A_B_C": "1"})
    assert kept == {"HTTP_X_OBJECT_META_A=5FB_C": "1"}
    said, _ = metadata.shown([("X-Object-Meta-A=5fb-C", "1")])
    assert said == {"x-amz-meta-a_b-c": "1"}


def test_metadata_have_a_limit() -> None:
    """Of 2 KB, names and values together, as AWS counts."""
    metadata.stored({"HTTP_X_AMZ_META_A": "x" * 2047})
    with pytest.raises(S3Error, match="MetadataTooLarge"):
        metadata.stored({"HTTP_X_AMZ_META_A": "x" * 2048})


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=1200))
def test_trap_86_long_values_are_kept_in_pieces(text: str) -> None:
    """Each is one that Swift's API takes and shows as it is; S3 shows the whole."""
    value = wsgi(text.strip())
    if len(value) > 2047:
        return
    try:
        kept = metadata.stored({"HTTP_X_AMZ_META_A": value})
    except S3Error:
        assert "  " in value
        return
    assert all(len(piece) <= 256 and piece == piece.strip(" \t") for piece in kept.values())
    for piece in kept.values():
        piece.encode("latin-1").decode()
    found = [("X-Object-Meta-" + key[len("HTTP_X_OBJECT_META_") :].title(), kept[key]) for key in kept]
    said, facts = metadata.shown(found[::-1])
    if value:
        assert str(make_header(decode_header(said["x-amz-meta-a"]))) == text.strip()
        assert len(facts) == len(kept) - 1
        assert len(said) == 1


def test_a_piece_without_the_first_one_is_nobodys() -> None:
    """As when a Swift client has replaced that."""
    said, _ = metadata.shown([("X-Object-Meta-A=2", "x"), ("X-Object-Meta-B=5f", "y")])
    assert said == {"x-amz-meta-b_": "y"}


@given(TEXTS)
def test_trap_66_what_is_not_ascii_is_shown_as_rfc_2047_says(text: str) -> None:
    """Clients that know how to read it get the text that was stored, in one line."""
    said, _ = metadata.shown([("X-Object-Meta-A", wsgi(text))])
    shown = said["x-amz-meta-a"]
    assert shown.isascii()
    assert "\n" not in shown
    if not text.isascii():
        assert str(make_header(decode_header(shown))) == text


def test_bytes_that_are_no_utf_8_are_shown_as_latin_1() -> None:
    """What was stored by whatever means can be read."""
    shown = metadata.encoded_word("\xe9\xff")
    assert str(make_header(decode_header(shown))) == "éÿ"


@pytest.mark.parametrize(
    ("facts", "etag"),
    [
        ({}, '"abc"'),
        ({"X-Static-Large-Object": "True"}, '"abc-N"'),
        ({"X-Static-Large-Object": "True", "X-Object-Sysmeta-S3api-Etag": "def-2"}, '"def-2"'),
        ({"X-Object-Sysmeta-S3api-Etag": ""}, '"abc"'),
        ({"X-Static-Large-Object": "False"}, '"abc"'),
    ],
)
def test_trap_85_an_etag_has_three_faces(facts: dict[str, str], etag: str) -> None:
    """S3's own where there is one; a dash tells that it is no MD5."""
    said, _ = metadata.shown([("Etag", '"abc"'), *facts.items()])
    assert said["ETag"] == etag


def test_facts_become_headers() -> None:
    """Versions, parts, expiry, storage class, redirects, tags, encryption; nothing else of the store's own."""
    said, facts = metadata.shown(
        [
            ("X-Object-Version-Id", "1.2"),
            ("X-Parts-Count", "3"),
            ("X-Delete-At", "1700000000"),
            ("X-Object-Sysmeta-S3api-Storage-Class", "STANDARD_IA"),
            ("X-Object-Sysmeta-S3api-Website-Redirect-Location", "/there"),
            ("X-Object-Transient-Sysmeta-S3api-Tagging", "a=1&b=2"),
            ("x-backend-crypto-cipher", "AES_CTR_256"),
            ("X-Object-Sysmeta-Other", "hidden"),
            ("X-Backend-Storage-Policy-Index", "0"),
            ("Content-Location", "/v1/a/c/o"),
        ]
    )
    assert said == {
        "x-amz-version-id": "1.2",
        "x-amz-mp-parts-count": "3",
        "x-amz-expiration": 'expiry-date="Tue, 14 Nov 2023 22:13:20 GMT", rule-id="swift-object-expiration"',
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-website-redirect-location": "/there",
        "x-amz-tagging-count": "2",
        "x-amz-server-side-encryption": "AES256",
    }
    assert facts["x-object-sysmeta-s3api-storage-class"] == "STANDARD_IA"
    assert "x-object-sysmeta-other" not in facts


def test_storage_classes() -> None:
    """Those that can be read at once are accepted; the usual one leaves no trace."""
    name = "HTTP_X_OBJECT_SYSMETA_S3API_STORAGE_CLASS"
    assert metadata.stored({"HTTP_X_AMZ_STORAGE_CLASS": "STANDARD_IA"}) == {name: "STANDARD_IA"}
    assert metadata.stored({"HTTP_X_AMZ_STORAGE_CLASS": "STANDARD"}) == {}
    with pytest.raises(S3Error, match="InvalidStorageClass"):
        metadata.stored({"HTTP_X_AMZ_STORAGE_CLASS": "GLACIER"})


def test_redirects_lead_somewhere() -> None:
    """To a key, or to a page."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        metadata.stored({"HTTP_X_AMZ_WEBSITE_REDIRECT_LOCATION": "javascript:1"})


def test_what_was_s3s_alone_is_taken_out() -> None:
    """The store sees neither the signature nor what has had its effect."""
    environ = {
        "HTTP_AUTHORIZATION": "AWS x:y",
        "HTTP_X_AMZ_DATE": "1",
        "HTTP_AMZ_SDK_REQUEST": "1",
        "HTTP_CONTENT_MD5": "1",
        "HTTP_HOST": "h",
        "CONTENT_TYPE": "t",
        "HTTP_X_OBJECT_SYSMETA_S3API_X": "1",
    }
    for _ in range(2):  # The second time names are remembered.
        again = dict(environ)
        metadata.drop_spent(again)
        assert again == {"HTTP_HOST": "h", "CONTENT_TYPE": "t", "HTTP_X_OBJECT_SYSMETA_S3API_X": "1"}


def test_an_answers_headers_can_be_chosen() -> None:
    """Among six; what no header can carry is refused, and splits no answer."""
    said = {"Content-Type": "text/x"}
    query = {"response-content-type": "text/y", "response-expires": "ö", "response-etag": "e"}
    metadata.overridden(said, query)
    assert said == {"Content-Type": "text/y", "Expires": wsgi("ö")}
    for wrong in ("a\r\nSet-Cookie: b", "\0", "\n", "\x7f"):
        with pytest.raises(S3Error, match="InvalidArgument"):
            metadata.overridden({}, {"response-content-type": wrong})
