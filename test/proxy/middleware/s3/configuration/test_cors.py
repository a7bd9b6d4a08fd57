"""CORS rules."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.s3.configuration.cors import Rule, headers_of, matching, metadata_of, rules_of
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import read

ORIGIN = "https://www.example.com"


def rules(*inside: str) -> list[Rule]:
    """Return rules by what is inside of them."""
    text = "".join(f"<CORSRule>{each}</CORSRule>" for each in inside)
    return list(rules_of(read(f"<CORSConfiguration>{text}</CORSConfiguration>".encode())))


GET = "<AllowedMethod>GET</AllowedMethod>"


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (ORIGIN, ORIGIN),
        ("*", "*"),
        ("https://*.example.com", ORIGIN),
        ("https://*", ORIGIN),
        ("http://*", None),
        ("https://www.example.co?", None),
        ("https://www.example.com.evil", None),
    ],
)
def test_origins(pattern: str, allowed: str | None) -> None:
    """One star at most, which stands for anything; the answer names the origin, or a bare star."""
    rule = rules(f"<AllowedOrigin>{pattern}</AllowedOrigin>{GET}")[0]
    assert rule.origin_for(ORIGIN) == allowed


def test_the_first_rule_that_fits_counts() -> None:
    """Its headers are the answer's."""
    both = rules(
        "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><MaxAgeSeconds>1</MaxAgeSeconds>",
        f"<AllowedOrigin>*</AllowedOrigin>{GET}<AllowedHeader>x-amz-*</AllowedHeader>"
        "<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>2</MaxAgeSeconds>",
    )
    rule = matching(both, ORIGIN, "GET", ["X-Amz-Date"])
    assert rule is both[1]
    said = headers_of(rule, ORIGIN, ["X-Amz-Date"], preflight=True)
    assert said["Access-Control-Allow-Origin"] == "*"
    assert said["Access-Control-Allow-Headers"] == "x-amz-date"
    assert said["Access-Control-Max-Age"] == "2"
    assert said["Access-Control-Expose-Headers"] == "ETag"
    assert "Access-Control-Allow-Credentials" not in said
    assert matching(both, ORIGIN, "GET", ["x-other"]) is None
    assert matching(both, ORIGIN, "DELETE") is None
    assert "Access-Control-Max-Age" not in headers_of(rule, ORIGIN, preflight=False)


def test_a_named_origin_varies() -> None:
    """Caches must not give one page's answer to another's."""
    rule = Rule((ORIGIN,), ("GET",))
    said = headers_of(rule, ORIGIN, preflight=False)
    assert said["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in said["Vary"]


def test_what_the_other_api_can_say() -> None:
    """Only what it would not allow more of."""
    whole = Rule((ORIGIN,), ("GET", "PUT", "HEAD", "POST", "DELETE"), ("*",), ("ETag",), 5)
    said = metadata_of([whole])
    assert said["X-Container-Meta-Access-Control-Allow-Origin"] == ORIGIN
    assert said["X-Container-Meta-Access-Control-Max-Age"] == "5"
    for narrower in (Rule((ORIGIN,), ("GET",), ("*",)), Rule(("https://*.x",), whole.methods, ("*",))):
        assert not any(metadata_of([narrower]).values())


REFUSED = {
    GET: "MalformedXML",
    "<AllowedOrigin>*</AllowedOrigin>": "MalformedXML",
    "<AllowedOrigin>*.*</AllowedOrigin>" + GET: "InvalidRequest",
    "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>": "InvalidRequest",
    f"<AllowedOrigin>*</AllowedOrigin>{GET}<ExposeHeader>*</ExposeHeader>": "InvalidRequest",
    f"<AllowedOrigin>a&#10;b</AllowedOrigin>{GET}": "InvalidRequest",
    f"<AllowedOrigin>*</AllowedOrigin>{GET}<MaxAgeSeconds>-1</MaxAgeSeconds>": "MalformedXML",
    f"<AllowedOrigin>*</AllowedOrigin>{GET}<Odd/>": "MalformedXML",
}


@pytest.mark.parametrize(("inside", "code"), REFUSED.items())
def test_what_is_no_rule(inside: str, code: str) -> None:
    """The code that AWS has for it; no header is ever made of a line's end."""
    with pytest.raises(S3Error) as caught:
        rules(inside)
    assert caught.value.code == code


def test_how_many_there_may_be() -> None:
    """At least one and a hundred at most."""
    one = f"<AllowedOrigin>*</AllowedOrigin>{GET}"
    assert len(rules(*[one] * 100)) == 100
    for count in (0, 101):
        with pytest.raises(S3Error):
            rules(*[one] * count)
