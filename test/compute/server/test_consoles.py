"""Consoles: who is given a URL, what it opens, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
from console_front import DEADLINE_SECONDS, ConsoleFront, heard, opened_by
from host_door import answering, one_host
from hypothesis import given
from hypothesis import strategies as st
from servers import SECRET, Cloud
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from apus.compute.server import fleet
from apus.compute.server.console.admission import is_own_page, token_of
from apus.compute.server.console.pages import page_at
from apus.compute.server.console_tokens import Kind
from apus.compute.server.controllers.remote_consoles import console_url
from apus.compute.server.keys import console_key, host_key, is_ticket, ticket

BINARY = Subprotocol("binary")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with one_host(tmp_path) as made:
        yield made


@pytest.fixture
def front(cloud: Cloud, tmp_path: Path) -> Iterator[ConsoleFront]:
    pages = tmp_path / "novnc"
    pages.mkdir()
    (pages / "vnc_lite.html").write_text("<html>noVNC</html>")
    (pages / "secret.key").write_text("no page")
    with ConsoleFront(cloud, pages) as made:
        yield made


def opened(cloud: Cloud, server_id: str, protocol: str, kind: str, **how: Any) -> tuple[int, Any]:
    document = {"remote_console": {"protocol": protocol, "type": kind}}
    return cloud.ask("POST", f"/servers/{server_id}/remote-consoles", document, **{"version": "2.96", **how})


def fleet_door(cloud: Cloud, host: str, server_id: str) -> str:
    with cloud.world.catalogue.read() as connection:
        return f"{fleet.host_named(connection, host).resources['console_url']}/{server_id}/serial"


def token_in(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    return unquote(query["path"][0]).partition("token=")[2] if "path" in query else query["token"][0]


def test_a_serial_console_carries_bytes_both_ways(cloud: Cloud, front: ConsoleFront) -> None:
    """The URL works as often as it is used until it ends, with the subprotocol of old clients or none, in text or bytes."""
    server_id = cloud.boot()
    status, document = opened(cloud, server_id, "serial", "serial")
    assert status == 200, document
    console = document["remote_console"]
    assert console["protocol"] == console["type"] == "serial"
    url = front.at(console["url"])
    assert url.startswith("ws://")
    for protocols in ([BINARY], [BINARY, Subprotocol("base64")], None):
        with connect(url, subprotocols=protocols, open_timeout=DEADLINE_SECONDS) as client:
            assert client.subprotocol == (BINARY if protocols else None)
            assert heard(client, b"RFB 003.008\n") == b"RFB 003.008\n"
            client.send(b"who\n")
            client.send("ami\n")
            assert heard(client, b"AMI\n") == b"WHO\nAMI\n"
    cloud.now += cloud.world.settings.console_seconds
    front.refuses(url)


def test_a_token_finds_its_server_where_it_is_now(cloud: Cloud, front: ConsoleFront, tmp_path: Path) -> None:
    """A server that has moved has its console on its new host, whose key is another."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"])
    home = tmp_path / "b"
    home.mkdir()
    with answering(cloud, home, "host-b"):
        with cloud.world.catalogue.write() as connection:
            fleet.change(connection, fleet.server_of(connection, server_id), cloud.now, host="host-b")
        assert opened_by(cloud, token_in(url))[1]["door"] == fleet_door(cloud, "host-b", server_id)
        with connect(url, open_timeout=DEADLINE_SECONDS) as client:
            assert heard(client, b"\n") == b"RFB 003.008\n"


def test_who_comes_last_has_the_serial_line(cloud: Cloud, front: ConsoleFront) -> None:
    """A client that went away without a word keeps nobody out; a screen has room for all."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"])
    with connect(url, open_timeout=DEADLINE_SECONDS) as first:
        assert heard(first, b"\n")
        with connect(url, open_timeout=DEADLINE_SECONDS) as second:
            assert heard(second, b"\n")
            with pytest.raises(ConnectionClosed):
                first.recv(timeout=DEADLINE_SECONDS)


def test_a_screen_is_a_page_and_its_websocket(cloud: Cloud, front: ConsoleFront) -> None:
    """The page is noVNC's; its websocket begins with RFB's banner, with the token in the path or in a cookie."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "vnc", "novnc")[1]["remote_console"]["url"])
    page = requests.get(url, timeout=DEADLINE_SECONDS)
    assert (page.status_code, page.text) == (200, "<html>noVNC</html>")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    path = parse_qs(urlsplit(url).query)["path"][0]
    place = f"ws://{urlsplit(url).netloc}/"
    cookie = {"Cookie": f"other=1; token={token_in(url)}"}
    for wanted, headers in ((place + path, {}), (place + "websockify", cookie)):
        with connect(wanted, additional_headers=headers, open_timeout=DEADLINE_SECONDS) as client:
            assert heard(client, b"\n") == b"RFB 003.008\n"


def test_pages_are_those_of_the_folder_only(front: ConsoleFront, tmp_path: Path) -> None:
    """No path leaves the folder, nothing is listed, and nothing but what noVNC has is sent."""
    for path in (
        "/",
        "/../compute.db",
        "/%2e%2e/compute.db",
        "/secret.key",
        "/none.html",
        "/.ssh/id.html",
        f"/{'x' * 300}.html",
    ):
        assert requests.get(front.base + path, timeout=DEADLINE_SECONDS).status_code == 404
    assert requests.get(front.base + "/healthcheck", timeout=DEADLINE_SECONDS).text == "OK"
    assert requests.get(front.base + "/metrics", timeout=DEADLINE_SECONDS).status_code == 200
    assert page_at(tmp_path / "none", "/vnc_lite.html") is None


def test_a_page_of_another_host_opens_nothing(cloud: Cloud, front: ConsoleFront) -> None:
    """With a token or without: a browser says whose page it shows, and that must be ours or one that is allowed."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"])
    host = urlsplit(url).hostname
    for origin in (
        "http://evil.example",
        f"https://{host}",
        "null",
        f"http://{host}.evil.example",
        "http://[x",
    ):
        front.refuses(url, Origin=origin)
    for origin in (f"http://{host}:8080", "http://dashboard.example"):
        with connect(url, additional_headers={"Origin": origin}, open_timeout=DEADLINE_SECONDS) as client:
            assert heard(client, b"\n")


def test_a_token_opens_one_console_of_one_server(cloud: Cloud, front: ConsoleFront) -> None:
    """Unknown, ended, cut and empty tokens, and those of deleted servers, are refused alike; so is no token at all."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"])
    for wrong in (
        url[:-1],
        url + "x",
        url.replace("token=", "token=bad"),
        url.partition("?")[0],
        url + "y" * 300,
    ):
        front.refuses(wrong)
    assert cloud.ask("DELETE", f"/servers/{server_id}")[0] == 204
    cloud.work()
    front.refuses(url)


def test_one_project_gets_no_console_of_another(cloud: Cloud) -> None:
    """For a stranger there is no such server, whichever way he asks; a stranger's token opens his own server only."""
    server_id = cloud.boot()
    assert opened(cloud, server_id, "serial", "serial", token=cloud.stranger)[0] == 404
    for name, kind in (("os-getSerialConsole", "serial"), ("os-getVNCConsole", "novnc")):
        assert cloud.act(server_id, name, {"type": kind}, token=cloud.stranger)[0] == 404
    path = f"/servers/{server_id}/remote-consoles"
    assert cloud.ask("POST", path, {"remote_console": {}}, token="")[0] == 401


def test_kinds_of_consoles(cloud: Cloud) -> None:
    """What is here has a URL; what Nova knows besides is unavailable, what it does not know is wrong; since 2.6."""
    server_id = cloud.boot()
    path = f"/servers/{server_id}/remote-consoles"
    for protocol, kind in (("spice", "spice-html5"), ("rdp", "rdp-html5"), ("mks", "webmks"), ("vnc", "xvpvnc"),
                           ("serial", "novnc"), ("vnc", "serial")):  # fmt: skip
        status, document = opened(cloud, server_id, protocol, kind)
        assert status == 400
        assert document["badRequest"]["message"] == f"Unavailable console type {kind}."
    for wrong in ({"protocol": "telnet", "type": "serial"}, {"protocol": "serial"}, {"protocol": 7}, None):
        assert cloud.ask("POST", path, {"remote_console": wrong}, version="2.96")[0] == 400
    assert opened(cloud, server_id, "mks", "webmks", version="2.7")[0] == 400
    assert opened(cloud, server_id, "serial", "serial", version="2.5")[0] == 404
    status, document = cloud.act(server_id, "os-getVNCConsole", {"type": "novnc"}, version="2.1")
    assert (status, document["console"]["type"]) == (200, "novnc")
    assert document["console"]["url"].startswith("http://127.0.0.1:6080/vnc_lite.html?path=%3Ftoken%3D")
    status, document = cloud.act(server_id, "os-getSerialConsole", {"type": "serial"}, version="2.5")
    assert document["console"]["url"].startswith("ws://127.0.0.1:6080/?token=")
    for name in ("os-getSPICEConsole", "os-getRDPConsole"):
        assert cloud.act(server_id, name, {"type": "spice-html5"})[0] == 400
    assert cloud.act(server_id, "os-getVNCConsole", {})[0] == 400
    assert cloud.act(server_id, "os-getVNCConsole", {"type": "novnc"}, version="2.6")[0] == 404


def test_a_server_that_does_not_run_has_no_console(cloud: Cloud) -> None:
    """It is not ready: 409, and again a URL once it runs."""
    server_id = cloud.boot()
    cloud.act(server_id, "os-stop")
    cloud.work()
    assert opened(cloud, server_id, "vnc", "novnc")[0] == 409
    cloud.act(server_id, "os-start")
    cloud.work()
    assert opened(cloud, server_id, "vnc", "novnc")[0] == 200


def test_administrators_see_where_a_token_leads(cloud: Cloud) -> None:
    """Since 2.31, of a token that is good; to everybody else it is forbidden."""
    server_id = cloud.boot()
    path = "/os-console-auth-tokens/" + token_in(
        opened(cloud, server_id, "vnc", "novnc")[1]["remote_console"]["url"]
    )
    status, document = cloud.ask("GET", path, token=cloud.admin, version="2.31")
    assert status == 200
    console = document["console"]
    assert console["instance_uuid"] == server_id
    assert (console["host"], console["internal_access_path"]) == ("127.0.0.1", f"/{server_id}/vnc")
    assert cloud.ask("GET", path, version="2.31")[0] == 403
    assert cloud.ask("GET", path, token=cloud.admin, version="2.30")[0] == 401
    assert cloud.ask("GET", path + "x", token=cloud.admin, version="2.31")[0] == 404
    cloud.now += 601
    assert cloud.ask("GET", path, token=cloud.admin, version="2.31")[0] == 404


def test_hosts_open_for_tickets_only(cloud: Cloud) -> None:
    """Neither a host's key nor another console's ticket nor an old one opens a console; the service's word needs the key."""
    server_id = cloud.boot()
    url = opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"]
    internal = "/internal/consoles"
    body = {"token": token_in(url)}
    assert cloud.as_host("host-a", "POST", internal, body)[0] == 401
    status, found = opened_by(cloud, body["token"])
    assert status == 200
    assert found["kind"] == "serial"
    assert opened_by(cloud, "x")[0] == 404

    def door(path: str, **headers: str) -> int:
        place = found["door"].rpartition(f"/{server_id}")[0] + path
        return requests.get(place, headers=headers, timeout=DEADLINE_SECONDS).status_code

    path = f"/{server_id}/serial"
    key = {"X-Apus-Host-Key": host_key(SECRET, "host-a")}
    assert door(path) == door(path, **key) == 401
    assert door(f"/{server_id}/vnc", **{"X-Apus-Console-Ticket": found["ticket"]}) == 401
    cloud.now += 301
    assert door(path, **{"X-Apus-Console-Ticket": found["ticket"]}) == 401


def test_a_silent_host_ends_the_console(cloud: Cloud, front: ConsoleFront) -> None:
    """The websocket is closed with a code that says: later."""
    server_id = cloud.boot()
    url = front.at(opened(cloud, server_id, "serial", "serial")[1]["remote_console"]["url"])
    cloud.live("host-a", console_url="http://127.0.0.1:1")
    with connect(url, open_timeout=DEADLINE_SECONDS) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=DEADLINE_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_token_is_read_from_anything(path: str, cookie: str) -> None:
    """Whatever a request says, reading it gives what may be a token, or nothing."""
    found = token_of(path, cookie) + token_of(f"/?token={path}", cookie)
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in found)
    assert (
        token_of("/?token=%20", "")
        == token_of("/", "token=a b")
        == token_of("/?token=" + "y" * 201, "")
        == ""
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_origins_never_raise(origin: str, host: str) -> None:
    """Whatever a browser says, the answer is yes or no, and yes only for our own name."""
    own = is_own_page(origin, host, scheme="http", allowed=())
    assert not own or origin.lower().startswith("http://")


def test_ticket_and_urls() -> None:
    """A ticket is for one path of one host until its time; URLs keep the folder and the scheme of their base."""
    given_ticket = ticket("k", "/a/serial", 100)
    assert is_ticket(given_ticket, "k", "/a/serial", 99)
    for wrong in ((given_ticket, "k", "/a/serial", 100), (given_ticket, "j", "/a/serial", 99),
                  (given_ticket, "k", "/a/vnc", 99), ("", "k", "/a/serial", 99),
                  ("200" + given_ticket[3:], "k", "/a/serial", 99)):  # fmt: skip
        assert not is_ticket(*wrong)
    assert console_url("https://c.example/x/", Kind.SERIAL, "t") == "wss://c.example/x/?token=t"
    assert console_url("https://c.example/x", Kind.VNC, "t").endswith(
        "/x/vnc_lite.html?path=x%2F%3Ftoken%3Dt"
    )
    assert len({console_key("s"), host_key("s", "consoles"), host_key("s", "")}) == 3
