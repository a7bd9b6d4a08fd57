"""The cross-domain policy is the operator's."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from one_request import FixedApp, ask

from apus.proxy.middleware.crossdomain import Crossdomain, CrossdomainConfig


def test_the_policy_is_served() -> None:
    """As XML, with the operator's elements."""
    rules = '<allow-access-from domain="a.example" />\n<allow-access-from domain="b.example" />'
    app = Crossdomain(FixedApp(), CrossdomainConfig(cross_domain_policy=rules))
    reply = ask(app, "GET", "/crossdomain.xml")
    assert reply.headers["content-type"].startswith("application/xml")
    assert [each.get("domain") for each in ET.fromstring(reply.body)] == ["a.example", "b.example"]


def test_nothing_else_is_touched() -> None:
    """Other methods and paths go on."""
    store = FixedApp()
    app = Crossdomain(store, CrossdomainConfig())
    ask(app, "PUT", "/crossdomain.xml")
    ask(app, "GET", "/v1/a/c/crossdomain.xml")
    assert len(store.seen) == 2
