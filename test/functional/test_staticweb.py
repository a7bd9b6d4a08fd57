"""Websites in containers, as a visitor without a token sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from store import Client, Reply, Store, ask
from swiftclient.utils import generate_temp_url

SITE = {"X-Container-Read": ".r:*,.rlistings"}


@pytest.fixture
def site(client: Client) -> Iterator[str]:
    """A public container with a small tree."""
    with client.container(SITE) as name:
        for path in ("index.html", "docs/index.html", "docs/a b/1.txt", "plain/ü.txt"):
            client.put(name, path, body=path.encode(), headers={"Content-Type": "text/html"})
        yield name


def tell(client: Client, site: str, **web: str) -> None:
    """Set what the container says of its website."""
    assert client.post(site, headers={f"X-Container-Meta-Web-{k}": v for k, v in web.items()}).status == 204


def visit(store: Store, *names: str, method: str = "GET") -> Reply:
    """What a browser gets."""
    return store.client(None).request(method, *names, headers={"Accept": "text/html,*/*;q=0.8"})


def test_an_index_page_stands_for_its_directory(store: Store, client: Client, site: str) -> None:
    """Root and below; a name without its slash is redirected; an owner with a token sees the API."""
    tell(client, site, Index="index.html")
    assert visit(store, site, "").text == "index.html"
    assert visit(store, site, "docs/").text == "docs/index.html"
    assert visit(store, site, "docs/", method="HEAD").status == 200
    assert visit(store, site, "docs/a b/1.txt").text == "docs/a b/1.txt"
    assert visit(store, site, "plain/").status == 404
    assert visit(store, site, "none").status == 404
    assert client.get(site).text.startswith("docs/")
    as_visitor = client.get(site, "", headers={"X-Web-Mode": "true"})
    assert as_visitor.text == "index.html"


@pytest.mark.parametrize("path", ["docs", "docs/a b", "plain", ""])
def test_trap_40_staticweb_redirects_to_the_slash(store: Store, client: Client, site: str, path: str) -> None:
    """The whole address, encoded (lp 1774238), on the host that was asked (lp 1884285)."""
    tell(client, site, Index="index.html", Listings="true")
    names = [site, path] if path else [site]
    reply = visit(store, *names)
    assert reply.status == 301
    assert reply.headers["location"] == store.endpoint + client.path(*names) + "/"
    assert ask(store.address, "GET", client.path(*names) + "/", {}).status == 200


def test_trap_40_staticweb_lists_where_it_may(store: Store, client: Client, site: str) -> None:
    """With the classes that style sheets know; what is no directory is none."""
    tell(client, site, Listings="true", **{"Listings-Css": "style.css", "Listings-Label": "My <site>"})
    page = visit(store, site, "docs/").text
    assert '<tr id="parent" class="item">' in page
    assert '<tr class="item subdir">' in page
    assert '<a href="./a%20b/">a b/</a>' in page
    assert '<tr class="item type-text type-html">' in page
    assert 'href="../style.css"' in page
    assert "My &lt;site&gt;/docs/" in page
    assert visit(store, site, "nothing/").status == 404
    tell(client, site, Listings="no")
    assert visit(store, site, "").status == 404


def test_trap_40_staticweb_has_pages_for_errors(store: Store, client: Client, site: str) -> None:
    """Named by the status; the status stays."""
    tell(client, site, Index="index.html", Error="error.html")
    client.put(site, "404error.html", body=b"not here", headers={"Content-Type": "text/html"})
    reply = visit(store, site, "none")
    assert (reply.status, reply.text) == (404, "not here")
    client.post(site, headers={"X-Container-Read": ""})
    assert visit(store, site, "").status == 401
    assert visit(store, site, "docs/").status == 401


def test_trap_40_staticweb_shows_no_script_of_strangers(store: Store, client: Client, site: str) -> None:
    """Names and types stay text."""
    tell(client, site, Listings="true")
    evil = '<img src=x onerror="alert(1)">&\'.txt'
    client.put(site, f"docs/{evil}", body=b"1", headers={"Content-Type": 'x"><script>/y'})
    page = visit(store, site, "docs/").text
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#x27;.txt" in page


def test_trap_36_a_prefix_url_opens_a_listing(store: Store, client: Client, site: str) -> None:
    """Its links carry the signature on; what is outside stays closed."""
    client.post(site, headers={"X-Container-Read": "", "X-Container-Meta-Temp-URL-Key": "k"})
    tell(client, site, Listings="true")
    signed = generate_temp_url(
        client.path(site, "docs/"), int(time.time()) + 60, "k", "GET", absolute=True, prefix=True
    )
    reply = ask(store.address, "GET", signed, {})
    assert reply.status == 200
    assert reply.headers["content-disposition"] == "inline"
    assert "x-backend-content-generator" not in reply.headers
    assert 'id="parent"' not in reply.text
    query = signed.partition("?")[2]
    assert "temp_url_sig=" in reply.text
    assert (
        ask(store.address, "GET", f"{client.path(site, 'docs/a b/1.txt')}?{query}", {}).text
        == "docs/a b/1.txt"
    )
    assert ask(store.address, "GET", f"{client.path(site, 'plain/')}?{query}", {}).status == 401


def test_a_directory_marker_is_a_directory(store: Store, client: Client, site: str) -> None:
    """An empty object of the directory's type gives way to the index."""
    tell(client, site, Index="index.html")
    client.put(site, "docs", headers={"Content-Type": "application/directory"})
    assert visit(store, site, "docs").status == 301


def test_trap_41_pages_of_other_origins(store: Store, client: Client, site: str) -> None:
    """A website's objects say who may read them."""
    tell(client, site, Index="index.html")
    client.post(site, headers={"X-Container-Meta-Access-Control-Allow-Origin": "http://app"})
    reply = store.client(None).get(site, "index.html", headers={"Origin": "http://app"})
    assert reply.headers["access-control-allow-origin"] == "http://app"
    assert "Origin" in reply.headers["vary"]
    assert "etag" in reply.headers["access-control-expose-headers"]
    asked = {"Origin": "http://app", "Access-Control-Request-Method": "GET"}
    assert store.client(None).request("OPTIONS", site, "index.html", headers=asked).status == 200
    stranger = {**asked, "Origin": "http://app.evil"}
    assert store.client(None).request("OPTIONS", site, "index.html", headers=stranger).status == 401
