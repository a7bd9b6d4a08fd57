"""What a browser sees of a bucket that S3 has made a website, and what S3's clients see of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne, free_port_block
from fronts import front, with_filters
from s3 import S3Front
from store import Store

DOMAIN = "site.apus.test"
PAGES = ("index.html", "docs/index.html", "page.html", "errors/sorry.html")


@pytest.fixture
def site(s3: S3Front, bucket: str) -> str:
    """A public bucket with pages."""
    client = s3.client()
    for name in PAGES:
        client.put_object(Bucket=bucket, Key=name, Body=name.encode(), ContentType="text/html")
    client.put_object(Bucket=bucket, Key="old", WebsiteRedirectLocation="/page.html")
    client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    return bucket


def told(client: Any, site: str, **website: Any) -> None:
    client.put_bucket_website(Bucket=site, WebsiteConfiguration=website)


def curl(store: Store, path: str, host: str | None = None) -> tuple[int, str, str]:
    """Return the status, the body, and where else to go, as curl tells them."""
    command = ["curl", "-s", "-w", "%{stderr}%{json}", "-H", "Accept: text/html,*/*;q=0.8"]
    if host is not None:
        command += ["-H", f"Host: {host}"]
    done = subprocess.run([*command, f"{store.endpoint}{path}"], capture_output=True, text=True, check=True)
    facts = json.loads(done.stderr)
    return facts["http_code"], done.stdout, facts.get("redirect_url") or ""


def test_a_browser_sees_pages(s3: S3Front, site: str) -> None:
    """Indexes for folders, the error document for what is not there, redirects of objects and of all."""
    client, root = s3.client(), f"/v1/AUTH_test/{site}"
    index = {"Suffix": "index.html"}
    told(client, site, IndexDocument=index, ErrorDocument={"Key": "errors/sorry.html"})
    assert curl(s3.store, f"{root}/")[:2] == (200, "index.html")
    assert curl(s3.store, f"{root}/docs/")[:2] == (200, "docs/index.html")
    assert curl(s3.store, f"{root}/docs")[::2] == (301, f"{s3.endpoint}{root}/docs/")
    assert curl(s3.store, f"{root}/none")[:2] == (404, "errors/sorry.html")
    assert curl(s3.store, f"{root}/old")[::2] == (301, f"{s3.endpoint}/page.html")
    told(client, site, RedirectAllRequestsTo={"HostName": "example.com", "Protocol": "https"})
    assert curl(s3.store, f"{root}/docs/a%20b")[::2] == (301, "https://example.com/docs/a%20b")
    client.delete_bucket_website(Bucket=site)
    assert curl(s3.store, f"{root}/none")[:2] != (404, "errors/sorry.html")


def test_s3s_clients_see_a_bucket(s3: S3Front, site: str) -> None:
    """Strangers, too: no page stands for a listing, nor for an error."""
    told(s3.client(), site, IndexDocument={"Suffix": "index.html"}, ErrorDocument={"Key": "page.html"})
    status, body, _ = curl(s3.store, f"/AUTH_test:{site}")
    assert status == 200
    assert "<ListBucketResult" in body
    status, body, _ = curl(s3.store, f"/AUTH_test:{site}/docs/")
    assert status == 404
    assert "<Code>NoSuchKey</Code>" in body
    assert curl(s3.store, f"/AUTH_test:{site}/old")[0] == 200


def test_what_is_not_served_is_refused(s3: S3Front, bucket: str) -> None:
    """RoutingRules: 501, and the bucket is no website."""
    rule = {"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": "b/"}}
    with pytest.raises(ClientError) as refused:
        told(s3.client(), bucket, IndexDocument={"Suffix": "index.html"}, RoutingRules=[rule])
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    with pytest.raises(ClientError) as refused:
        s3.client().get_bucket_website(Bucket=bucket)
    assert refused.value.response["Error"]["Code"] == "NoSuchWebsiteConfiguration"


def test_a_website_has_a_host_name(shared_cluster: AllInOne, s3: S3Front, site: str, tmp_path: Path) -> None:
    """Behind domain_remap a browser names the bucket in the host, and sees the same pages."""
    told(s3.client(), site, IndexDocument={"Suffix": "index.html"}, ErrorDocument={"Key": "page.html"})
    conf = (shared_cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    port = free_port_block(1)
    remap = {"domain_remap": {"storage_domain": DOMAIN}}
    with front(with_filters(conf, remap, before="bulk", port=port), tmp_path, port=port) as store:
        host = f"{site}.auth-test.{DOMAIN}"
        assert curl(store, "/", host)[:2] == (200, "index.html")
        assert curl(store, "/docs/", host)[:2] == (200, "docs/index.html")
        assert curl(store, "/none", host)[:2] == (404, "page.html")
