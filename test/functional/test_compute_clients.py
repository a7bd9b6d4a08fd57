"""The server service by real clients: openstacksdk and `openstack`, against one server with a host that runs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import openstack
import pytest
import requests
from console_front import DEADLINE_SECONDS, heard, program
from host_door import answering
from servers import IMAGE, NETWORK, Cloud, Door
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from apus.compute.server.agent.disks import NoDisks
from apus.compute.server.agent.fake import FakeDriver
from apus.compute.server.agent.loop import Agent
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.controllers.keypairs import generated


class Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the library
        pass


def beside(environ: dict[str, Any]) -> Any:
    """Return what the image and network services would say of the one image and the one network."""
    path = environ["PATH_INFO"]
    image = {"id": IMAGE, "name": "tiny", "status": "active", "visibility": "public"}
    network = {"id": NETWORK, "name": "private"}
    if path.rstrip("/") in ("/image", "/image/v2"):
        links = [{"rel": "self", "href": f"http://{environ['HTTP_HOST']}/image/v2/"}]
        return {"versions": [{"id": "v2.16", "status": "CURRENT", "links": links}]}
    if path.rstrip("/") in ("/network", "/network/v2.0"):
        links = [{"rel": "self", "href": f"http://{environ['HTTP_HOST']}/network/v2.0/"}]
        return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}
    if path.startswith("/image"):
        return image if path.endswith(IMAGE) else {"images": [image]}
    if path.endswith(NETWORK):
        return {"network": network}
    return {"networks": [network]} if path.endswith("/networks") else {"security_groups": []}


class Front:
    """The service with its neighbours on one port, and a host at work."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(folder)
        config = AgentConfig(
            host="host-a", key="k", driver="fake", folder=str(folder), console_port=0, heartbeat_seconds=0.2
        )
        self._agent = Agent(config, Door(self.cloud, "host-a"), FakeDriver(), NoDisks())  # type: ignore[arg-type]
        self._stop = threading.Event()
        self._runner = threading.Thread(target=self._work)
        self._server = make_server("127.0.0.1", 0, self._app, server_class=Threading, handler_class=Quiet)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._runner.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.facts: dict[str, Any] = {
            "auth_type": "admin_token",
            "auth": {"endpoint": self.url, "token": self.cloud.member},
            "compute_endpoint_override": f"{self.url}/v2.1",
            "image_endpoint_override": f"{self.url}/image",
            "network_endpoint_override": f"{self.url}/network",
        }
        self._clouds = folder / "clouds.yaml"
        self._clouds.write_text(json.dumps({"clouds": {"here": self.facts}}))

    def _work(self) -> None:
        while not self._stop.wait(0.05):
            self._agent.reconcile(Door(self.cloud, "host-a").work(-1, 0)[1])

    def _app(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith(("/image", "/network")):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(beside(environ)).encode()]
        return self.cloud.app(environ, start_response)

    def openstack(self, *words: str) -> Any:
        """Run `openstack` and return what it prints as JSON."""
        program = Path(sys.executable).with_name("openstack")
        done = subprocess.run(
            [str(program), "--os-cloud", "here", *words, "-f", "json"],
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(self._clouds)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self) -> None:
        self._stop.set()
        self._runner.join()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("compute"))
    yield made
    made.end()


def test_a_day_with_openstacksdk(front: Front) -> None:
    """A server is made, waited for, stopped, started, pictured, tagged, grouped and deleted as programs do it."""
    compute = openstack.connect(load_yaml_config=False, load_envvars=False, **front.facts).compute
    assert [flavor.name for flavor in compute.flavors()] == ["tiny"]
    key = compute.create_keypair(name="sdk", type="ssh", public_key=generated()[1])
    made = compute.create_server(
        name="sdk", image_id=IMAGE, flavor_id="1", networks=[{"uuid": NETWORK}], key_name=key.name
    )
    server = compute.wait_for_server(made, wait=120, interval=0.2)
    assert server.flavor.original_name == "tiny"
    assert server.addresses["private"][0]["OS-EXT-IPS:type"] == "fixed"
    for act, status in ((compute.stop_server, "SHUTOFF"), (compute.start_server, "ACTIVE"),
                        (compute.pause_server, "PAUSED"), (compute.unpause_server, "ACTIVE"),
                        (compute.shelve_server, "SHELVED_OFFLOADED"), (compute.unshelve_server, "ACTIVE")):  # fmt: skip
        act(server)
        server = compute.wait_for_server(server, status=status, wait=120, interval=0.2)
    compute.set_server_metadata(server, role="front")
    compute.add_tag_to_server(server, "blue")
    server = compute.get_server(server)
    assert (server.metadata, server.tags) == ({"role": "front"}, ["blue"])
    assert {action.action for action in compute.server_actions(server)} >= {"create", "stop", "shelve"}
    assert compute.create_server_group(name="g", policy="affinity").policy == "affinity"
    assert compute.get_limits().absolute.instances_used == 1
    compute.delete_server(server)
    compute.wait_for_delete(server, wait=120, interval=0.2)
    compute.delete_keypair(key)


def test_a_day_at_the_terminal(front: Front) -> None:
    """`openstack server create --wait`, `server show`, `flavor list`: what people type."""
    made = front.openstack(
        "server", "create", "--image", IMAGE, "--flavor", "tiny", "--network", NETWORK, "--wait", "terminal"
    )
    assert (made["name"], made["status"]) == ("terminal", "ACTIVE")
    shown = front.openstack("server", "show", "terminal")
    assert (shown["flavor"]["name"], shown["OS-EXT-STS:vm_state"]) == ("tiny", "active")
    assert [row["Name"] for row in front.openstack("flavor", "list")] == ["tiny"]


def test_consoles_at_the_terminal(front: Front, tmp_path: Path) -> None:
    """`openstack console url show` gives URLs that the console server's program opens, one by one page, one by one line."""
    asked = {"name": "seen", "imageRef": IMAGE, "flavorRef": "1", "networks": "none"}
    server_id = front.cloud.ask("POST", "/servers", {"server": asked}, version="2.96")[1]["server"]["id"]
    end = time.monotonic() + DEADLINE_SECONDS
    while front.cloud.show(server_id)["status"] != "ACTIVE":
        assert time.monotonic() < end
        time.sleep(0.05)
    with answering(front.cloud, tmp_path), program(front.url, tmp_path) as place:
        serial = front.openstack("console", "url", "show", "--serial", server_id)
        assert (serial["protocol"], serial["type"]) == ("serial", "serial")
        url = serial["url"].replace(urlsplit(serial["url"]).netloc, place)
        with connect(url, subprotocols=[Subprotocol("binary")], open_timeout=DEADLINE_SECONDS) as client:
            assert heard(client, b"\n") == b"RFB 003.008\n"
            client.send(b"who\n")
            assert heard(client, b"\n") == b"WHO\n"
        screen = front.openstack("console", "url", "show", "--novnc", server_id)
        url = screen["url"].replace(urlsplit(screen["url"]).netloc, place)
        assert requests.get(url, timeout=DEADLINE_SECONDS).text == "<html>noVNC</html>"
        counted = requests.get(f"http://{place}/metrics", timeout=DEADLINE_SECONDS).text
        assert 'apus_consoles_total{kind="serial",result="opened"} 1.0' in counted
