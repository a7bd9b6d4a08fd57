"""Laws of imports from the web: nothing but the public internet is reached, however it is written."""

from __future__ import annotations

import http.server
import ipaddress
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused, Unavailable
from apus.compute.image.web_fetch import fetch
from apus.compute.image.web_guard import WebRules, allowed_address, is_allowed, networks_of, target_of

PUBLIC = "93.184.216.34"
RULES = WebRules()

FORBIDDEN_URIS = [
    "ftp://example.org/x",
    "file:///etc/passwd",
    "http:///x",
    "http://user:secret@example.org/",
    "http://user@example.org/",
    "http://example.org:22/",
    "http://example.org:99999/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://example.org\\@127.0.0.1/",
    "http://example.org/\r\nX-Injected: 1",
    "http://example.org/ x",
    "http://ex\u24d0mple.org/",
    "http://[::1",
    "http://-example.org/",
    "http://exa%6dple.org/",
    "http://example.org/" + "x" * 5000,
]
FORBIDDEN_ADDRESSES = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "fec0::1", "2001:db8::1", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("uri", FORBIDDEN_URIS)
def test_no_uri_leads_astray(uri: str) -> None:
    """Launchpad 2138602 and its like: other schemes, ports, users, and numbers in disguise are refused."""
    with pytest.raises(Refused):
        target_of(uri, RULES)


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_no_inner_address_is_connected_to(address: str) -> None:
    """Whatever a name stands for: alone, or behind a public address."""
    for addresses in ([address], [PUBLIC, address]):
        with pytest.raises(Refused):
            allowed_address(addresses, RULES)


def test_the_internet_is_reached() -> None:
    """Names, ports and queries as they are usually written."""
    target = target_of("https://Cloud.Example.org/a%20b/c.qcow2?x=1&y=2#z", RULES)
    assert (target.scheme, target.host, target.port) == ("https", "cloud.example.org", 443)
    assert target.path == "/a%20b/c.qcow2?x=1&y=2"
    assert target_of(f"http://{PUBLIC}/x", RULES).host == PUBLIC
    assert allowed_address([PUBLIC, "2606:2800:220:1::1"], RULES) == PUBLIC


def test_an_operator_may_allow_and_refuse() -> None:
    """A mirror of one's own by its network; hosts by name, with or without the dot at their end."""
    rules = WebRules(networks=networks_of(["10.1.0.0/16"]), hosts_refused=frozenset(["bad.example.org"]))
    assert allowed_address(["10.1.2.3"], rules) == "10.1.2.3"
    with pytest.raises(Refused):
        allowed_address(["10.2.2.3"], rules)
    for host in ("bad.example.org", "BAD.example.org."):
        with pytest.raises(Refused):
            target_of(f"http://{host}/", rules)


@given(st.integers(0, 2**32 - 1))
def test_what_wraps_an_address_is_no_better(number: int) -> None:
    """An IPv4 address that is forbidden is forbidden in each of its IPv6 disguises."""
    inner = ipaddress.IPv4Address(number)
    if not is_allowed(inner, RULES):
        for wrapped in (number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
            assert not is_allowed(ipaddress.IPv6Address(wrapped), RULES)


class Web(http.server.BaseHTTPRequestHandler):
    """Serves what its path says."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", f"http://{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if kind == "loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        self.send_response(200 if kind in ("file", "short") else 404)
        self.send_header("Content-Length", "9" if kind == "short" else "4")
        self.end_headers()
        self.wfile.write(b"data")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A web server of this machine, on any port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def own(port: int) -> WebRules:
    return WebRules(ports=frozenset((port, 80)), networks=networks_of(["127.0.0.1/32"]))


def named(host: str, _port: int) -> list[str]:
    return {"mirror": ["127.0.0.1"], "inner": ["169.254.169.254"]}.get(host, [host])


def test_a_file_is_fetched_through_redirects(port: int) -> None:
    """Each of them is judged as the first."""
    with fetch(f"http://mirror:{port}/to/mirror:{port}/file", own(port), resolve=named) as found:
        assert found.length == 4
        assert b"".join(found.pieces) == b"data"


@pytest.mark.parametrize("where", ["inner/x", "169.254.169.254/latest/meta-data", "127.0.0.2/x", "0x7f.1/x"])
def test_redirects_lead_nowhere_else(port: int, where: str) -> None:
    """A public server that sends us next door is refused there."""
    with pytest.raises(Refused), fetch(f"http://mirror:{port}/to/{where}", own(port), resolve=named):
        pass


def test_a_name_is_resolved_once_for_each_connection(port: int) -> None:
    """DNS rebinding: the address that was judged is the one that is connected to."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    with fetch(f"http://mirror:{port}/file", own(port), resolve=lambda *_: next(answers)) as found:
        assert b"".join(found.pieces) == b"data"
    assert next(answers) == ["169.254.169.254"]


def test_what_breaks_off_is_no_file(port: int) -> None:
    """A body shorter than promised, an endless redirect, and what is not there."""
    with fetch(f"http://mirror:{port}/short", own(port), resolve=named) as found, pytest.raises(Unavailable):
        b"".join(found.pieces)
    for path in ("loop", "gone"):
        with pytest.raises(Refused), fetch(f"http://mirror:{port}/{path}", own(port), resolve=named):
            pass
