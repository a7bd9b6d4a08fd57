"""Host names are followed through the DNS to names of the store."""

from __future__ import annotations

import pytest
from one_request import FixedApp, Reply, ask

from apus.common.config import parse
from apus.common.errors import Refused
from apus.proxy.middleware.cname_lookup import CnameLookup, CnameLookupConfig

RECORDS = {
    "files.acme.org": "c.auth-a.example.com.",
    "two.acme.org": "Files.acme.org.",
    "loop.acme.org": "loop.acme.org.",
    "away.acme.org": "elsewhere.net.",
}


class Dns:
    """Name servers, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, name: str) -> tuple[float, str | None]:
        self.asked.append(name)
        return 60, RECORDS.get(name)


class Shared(dict[str, str]):
    """What memcached does, as far as it is needed."""

    def set(self, key: str, value: str, time: float) -> None:
        assert time == 60
        self[key] = value


def looked_up(host: str, *, depth: int = 1, **environ: object) -> tuple[Reply, FixedApp, Dns]:
    """GET / from a host."""
    store, dns = FixedApp(), Dns()
    app = CnameLookup(store, CnameLookupConfig(lookup_depth=depth), dns)
    return ask(app, "GET", "/o", headers={"Host": host}, environ=dict(environ)), store, dns


@pytest.mark.parametrize(
    ("host", "depth", "known"),
    [
        ("files.acme.org", 1, "c.auth-a.example.com"),
        ("FILES.acme.org:8080", 1, "c.auth-a.example.com:8080"),
        ("two.acme.org", 2, "c.auth-a.example.com"),
    ],
)
def test_an_alias_of_the_store_is_served_as_its_name(host: str, depth: int, known: str) -> None:
    """However it is written, as many steps as are allowed."""
    reply, store, _ = looked_up(host, depth=depth)
    assert reply.status == 200
    assert store.seen[0]["HTTP_HOST"] == known


@pytest.mark.parametrize("host", ["c.auth-a.example.com", "example.com", "192.0.2.1:80", "[2001:db8::1]:80"])
def test_nothing_is_asked_about_the_stores_own_names(host: str) -> None:
    """Nor about addresses."""
    reply, _, dns = looked_up(host)
    assert (reply.status, dns.asked) == (200, [])


@pytest.mark.parametrize(
    ("host", "depth", "sentence"),
    [
        ("unknown.acme.org", 5, "CNAME lookup failed to resolve to a valid domain"),
        ("loop.acme.org", 5, "CNAME lookup failed to resolve to a valid domain"),
        ("away.acme.org", 1, "CNAME lookup failed after 1 tries"),
        ("two.acme.org", 1, "CNAME lookup failed after 1 tries"),
    ],
)
def test_any_other_name_is_400(host: str, depth: int, sentence: str) -> None:
    """And it is said why."""
    reply, store, _ = looked_up(host, depth=depth)
    assert (reply.status, reply.text, store.seen) == (400, sentence, [])


@pytest.mark.parametrize("host", ["files.acme.org", "unknown.acme.org"])
def test_answers_are_remembered(host: str) -> None:
    """That there is none, too; in memcached if there is one."""
    dns, shared = Dns(), Shared()
    app = CnameLookup(FixedApp(), CnameLookupConfig(), dns)
    for _ in range(3):
        ask(app, "GET", "/o", headers={"Host": host})
    assert dns.asked == [host]
    for _ in range(3):
        ask(app, "GET", "/o", headers={"Host": host}, environ={"swift.cache": shared})
    assert dns.asked == [host, host]
    assert f"cname-{host}" in shared


def test_a_redirect_leads_back_to_the_alias() -> None:
    """The client knows no other name."""
    store = FixedApp("301 Moved Permanently", [("Location", "http://c.auth-a.example.com/d/")])
    app = CnameLookup(store, CnameLookupConfig(), Dns())
    assert (
        ask(app, "GET", "/d", headers={"Host": "files.acme.org"}).headers["location"]
        == "http://files.acme.org/d/"
    )


@pytest.mark.parametrize("server", ["dns.example.com", "192.0.2.1:x", "192.0.2"])
def test_name_servers_are_addresses(server: str) -> None:
    """Refused at start."""
    with pytest.raises(Refused, match="nameservers"):
        parse(CnameLookupConfig, {"nameservers": server})
    assert parse(CnameLookupConfig, {"nameservers": "192.0.2.1:53, [::1]:5353, ::1"}).nameservers
