"""A bucket as a website."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.s3.configuration.website import check, metadata_of
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import Node, read

INDEX = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"


def document(inside: str) -> Node:
    return read(f"<WebsiteConfiguration>{inside}</WebsiteConfiguration>".encode())


def said(inside: str | None) -> tuple[str, ...]:
    """Return index, error page, and where it is."""
    root = None if inside is None else document(inside)
    if root is not None:
        check(root)
    found = metadata_of(root)
    names = ("Meta-Web-Index", "Sysmeta-S3api-Website-Error", "Sysmeta-S3api-Website-Elsewhere")
    return tuple(found[f"X-Container-{name}"] for name in names)


def test_pages_or_another_host_are_said() -> None:
    """Each document replaces all that was said before."""
    assert said(INDEX) == ("index.html", "", "")
    assert said(f"{INDEX}<ErrorDocument><Key>a/ü.html</Key></ErrorDocument>") == (
        "index.html",
        "a/ü.html".encode().decode("latin-1"),
        "",
    )
    to = "<RedirectAllRequestsTo><HostName>example.com</HostName>{}</RedirectAllRequestsTo>"
    assert said(to.format("")) == ("", "", "example.com")
    assert said(to.format("<Protocol>https</Protocol>")) == ("", "", "https://example.com")
    assert said(None) == ("", "", "")


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("", "MalformedXML"),
        ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "InvalidArgument"),
        (f"{INDEX}<ErrorDocument><Key>a\nb</Key></ErrorDocument>", "InvalidArgument"),
        (f"{INDEX}<RoutingRules/>", "NotImplemented"),
        (
            f"{INDEX}<RedirectAllRequestsTo><HostName>x</HostName></RedirectAllRequestsTo>",
            "InvalidArgument",
        ),
        ("<RedirectAllRequestsTo><HostName>a b</HostName></RedirectAllRequestsTo>", "InvalidArgument"),
        (
            "<RedirectAllRequestsTo><HostName>x</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>",
            "MalformedXML",
        ),
    ],
)
def test_what_is_no_website_is_refused(inside: str, code: str) -> None:
    """And nothing is kept of it."""
    with pytest.raises(S3Error) as refused:
        check(document(inside))
    assert refused.value.code == code
