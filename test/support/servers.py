"""The server service in this process: its app, the other services as doubles, and a host that does as it is told.

cloud = Cloud(tmp_path) ──▶ cloud.ask("POST", "/servers", {...}) ──▶ cloud.work() (the host's agent, once)
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud import FakeVerifier, call, identity_of
from databases import catalogue_url

from apus.common.errors import Refused, Unavailable
from apus.compute.api.faults import Fault
from apus.compute.catalogue import Catalogue
from apus.compute.server.app import MIGRATIONS, service
from apus.compute.server.conductor import Conductor
from apus.compute.server.images import Image
from apus.compute.server.keys import host_key
from apus.compute.server.networks import Port
from apus.compute.server.scheduling import filters_named, weighers_named
from apus.compute.server.settings import ServerConfig
from apus.compute.server.world import World

IMAGE = "aaaaaaaa-0000-4000-8000-000000000001"
NETWORK = "bbbbbbbb-0000-4000-8000-000000000001"
VOLUME = "cccccccc-0000-4000-8000-000000000001"
SECRET = "agents"
METADATA_SECRET = "metadata"


class Images:
    """An image service with one image, that everyone may see."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {
            IMAGE: {"place": "p0/base", "status": "active", "owner": None}
        }
        self.made = 0

    def show(self, image_id: str, token: str) -> Image:
        if image_id not in self.known:
            raise Fault(404, "No image found")
        known = self.known[image_id]
        mapping = {name: value for name, value in known.items() if name == "block_device_mapping"}
        return Image(id=image_id, name="tiny", status=known["status"], size=1024, properties=mapping)

    def map_of(self, image_id: str) -> str:
        return str(self.known[image_id]["place"])

    def reserve(self, name: str, properties: Mapping[str, Any], token: str) -> str:
        self.made += 1
        image_id = f"aaaaaaaa-0000-4000-9000-{self.made:012d}"
        self.known[image_id] = {"place": "", "status": "queued", "name": name, **properties}
        return image_id

    def fill(self, image_id: str, place: str) -> None:
        self.known[image_id] |= {"place": place, "status": "active"}

    def fill_with_nothing(self, image_id: str, token: str) -> None:
        self.known[image_id] |= {"status": "active"}

    def backups(self, server_id: str, kind: str, token: str) -> list[str]:
        mine = [
            image_id
            for image_id, image in self.known.items()
            if image.get("instance_uuid") == server_id and image.get("backup_type") == kind
        ]
        return mine[::-1]

    def discard(self, image_id: str) -> None:
        self.known.pop(image_id, None)


class Networks:
    """A network service with one network."""

    def __init__(self) -> None:
        self.ports: dict[str, Port] = {}
        self.failure = ""

    def networks(self, token: str, project_id: str) -> list[dict[str, Any]]:
        return [{"id": NETWORK, "name": "private"}]

    def network(self, network_id: str, token: str = "") -> dict[str, Any]:
        if network_id != NETWORK:
            raise Fault(404, f"Network {network_id} could not be found.")
        return {"id": NETWORK, "name": "private"}

    def port(self, port_id: str, token: str = "") -> Port:
        if port_id not in self.ports:
            raise Fault(404, f"Port {port_id} could not be found.")
        return self.ports[port_id]

    def security_groups(self, names: Any, project_id: str, token: str) -> list[str]:
        for name in names:
            if name not in ("default", "web"):
                raise Fault(400, f"Security group {name} not found for project {project_id}.")
        return [f"group-{name}" for name in names]

    def make_port(self, *, network_id: str, server_id: str, **facts: Any) -> Port:
        if self.failure:
            raise Fault(409, self.failure)
        number = len(self.ports) + 5
        port = Port(
            id=f"dddddddd-0000-4000-8000-{number:012d}",
            network_id=network_id,
            network_name="private",
            mac=f"fa:16:3e:00:00:{number:02x}",
            addresses=({"address": facts.get("fixed_ip") or f"10.0.0.{number}", "version": 4, "prefix": 24},),
            vif={"type": "bridge", "bridge": "brq0"},
            device_id=server_id,
        )
        self.ports[port.id] = port
        return port

    def bind(self, port_id: str, **_where: Any) -> Port:
        return self.ports[port_id]

    def release(self, port_id: str) -> None:
        pass

    def remove_port(self, port_id: str) -> None:
        self.ports.pop(port_id, None)

    def set_groups(self, port_id: str, groups: Any, token: str) -> None:
        pass

    def floating(self, project_id: str) -> dict[str, list[str]]:
        return {"10.0.0.5": ["203.0.113.9"]}


class Volumes:
    """A volume service with one volume."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {VOLUME: {"id": VOLUME, "status": "available", "size": 1}}
        self.attachments: dict[str, str] = {}

    def show(self, project_id: str, volume_id: str, token: str = "") -> dict[str, Any]:
        if volume_id not in self.known:
            raise Fault(404, f"Volume {volume_id} could not be found.")
        return self.known[volume_id]

    def snapshot(self, project_id: str, snapshot_id: str, token: str = "") -> dict[str, Any]:
        return {"size": 1}

    def make(self, project_id: str, token: str, **facts: Any) -> str:
        volume_id = f"cccccccc-0000-4000-9000-{len(self.known):012d}"
        self.known[volume_id] = {"id": volume_id, "status": "available", **facts}
        return volume_id

    def attach(
        self, project_id: str, volume_id: str, server_id: str, host: str, device: str = ""
    ) -> tuple[str, dict[str, Any]]:
        self.known[volume_id]["status"] = "reserved"
        attachment = f"attachment-{len(self.attachments)}"
        self.attachments[attachment] = volume_id
        return attachment, {"driver_volume_type": "apus-block", "data": {"map_id": volume_id}}

    def reserve(self, project_id: str, volume_id: str, server_id: str) -> str:
        return self.attach(project_id, volume_id, server_id, "")[0]

    def attached(self, project_id: str, attachment_id: str) -> None:
        self.known[self.attachments[attachment_id]]["status"] = "in-use"

    def commit(self, project_id: str, volume_id: str, commit: Mapping[str, Any]) -> None:
        self.known[volume_id]["map_id"] = commit["map_id"]

    def leases(self, host: str) -> list[dict[str, Any]]:
        return []

    def detach(self, project_id: str, attachment_id: str) -> None:
        volume_id = self.attachments.pop(attachment_id, None)
        if volume_id in self.known:
            self.known[volume_id]["status"] = "available"

    def remove(self, project_id: str, volume_id: str) -> None:
        self.known.pop(volume_id, None)


class Cloud:
    """The service and its surroundings; `now` is its clock."""

    def __init__(self, folder: Path, hosts: tuple[str, ...] = ("host-a",)) -> None:
        self.images, self.networks, self.volumes = Images(), Networks(), Volumes()
        self.verifier = FakeVerifier()
        self.now = 1_000_000.0
        settings = ServerConfig(
            database=catalogue_url(folder, "compute"),
            agent_secret=SECRET,
            metadata_secret=METADATA_SECRET,
        )
        self.world = World(
            catalogue=Catalogue.open(settings.database, MIGRATIONS),
            images=self.images,  # type: ignore[arg-type]  # doubles of the three clients
            networks=self.networks,  # type: ignore[arg-type]
            volumes=self.volumes,  # type: ignore[arg-type]
            settings=settings,
            filters=filters_named(settings.filters),
            weighers=weighers_named(settings.weighers),
            clock=lambda: self.now,
            wake=lambda server_id: self.conductor.lead(server_id),
        )
        self.conductor = Conductor(self.world)
        self.app = service(self.world, self.conductor, self.verifier)
        self.member = self.verifier.token_of(identity_of("p1"))
        self.admin = self.verifier.token_of(identity_of("adm", ("admin",), "root"))
        self.stranger = self.verifier.token_of(identity_of("p2", user="u2"))
        for host in hosts:
            self.live(host)
        self.ask("POST", "/flavors", {"flavor": {"name": "tiny", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}},
                 token=self.admin)  # fmt: skip

    def live(self, host: str, **resources: Any) -> None:
        """Let the host's agent be heard."""
        document = {"resources": {"vcpus": 8, "memory_mib": 8192, "disk_gib": 100, **resources}}
        status, body = self.as_host(host, "PUT", f"/internal/hosts/{host}", document)
        assert status == 204, body

    def ask(
        self, method: str, path: str, document: Any = None, *, token: str | None = None, version: str = ""
    ) -> tuple[int, Any]:
        """Send a request below /v2.1; return status and document."""
        headers = {"OpenStack-API-Version": f"compute {version}"} if version else {}
        reply = call(
            self.app,
            method,
            f"/v2.1{path}",
            document,
            token=self.member if token is None else token,
            headers=headers,
        )
        return reply.status, json.loads(reply.body) if reply.body else None

    def as_host(self, host: str, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Send a request with a host's key."""
        headers = {"X-Apus-Host-Key": host_key(SECRET, host)}
        reply = call(self.app, method, path, document, headers=headers)
        return reply.status, json.loads(reply.body) if reply.body else None

    def orders(self, host: str = "host-a") -> list[dict[str, Any]]:
        """Return what the host is told."""
        status, document = self.as_host(host, "GET", f"/internal/hosts/{host}/work")
        assert status == 200, document
        return list(document["servers"])

    def work(self, host: str = "host-a", *, fail: str = "") -> list[str]:
        """Do everything that the host is told, until nothing is left; return the tasks done."""
        done: list[str] = []
        for _ in range(10):
            busy = [order for order in self.orders(host) if order["task_state"] or self._moving(order)]
            if not busy:
                break
            for order in busy:
                done += self._undertake(host, order, fail)
        return done

    def _moving(self, order: dict[str, Any]) -> bool:
        return any(
            each["state"] in ("attaching", "detaching") for each in order["devices"] + order["interfaces"]
        )

    def _undertake(self, host: str, order: dict[str, Any], fail: str) -> list[str]:
        path = f"/internal/hosts/{host}/servers/{order['id']}"
        reports: list[dict[str, Any]] = []
        if order["task_state"]:
            place = f"{order['project_id']}/made-{order['id'][:8]}"
            reports.append({"task": order["task_state"], "ok": not fail, "message": fail, "map": place})
        for kind, key in (("devices", "id"), ("interfaces", "port_id")):
            for each in order[kind]:
                following = {"attaching": "attached", "detaching": "detached"}.get(each["state"])
                if following:
                    reports.append({kind.removesuffix("s"): each[key], "state": following})
        for report in reports:
            status, body = self.as_host(host, "POST", path, report)
            assert status == 204, body
        return [report.get("task", "plug") for report in reports]

    def boot(self, version: str = "2.96", **facts: Any) -> str:
        """Make a server and let its host build it; return its id."""
        asked = {"name": "web", "imageRef": IMAGE, "flavorRef": "1", "networks": "auto", **facts}
        status, document = self.ask("POST", "/servers", {"server": asked}, version=version)
        assert status == 202, document
        self.work()
        return str(document["server"]["id"])

    def show(self, server_id: str, **how: Any) -> dict[str, Any]:
        """Return a server's document."""
        status, document = self.ask("GET", f"/servers/{server_id}", **{"version": "2.96", **how})
        assert status == 200, document
        return dict(document["server"])

    def act(self, server_id: str, name: str, argument: Any = None, **how: Any) -> tuple[int, Any]:
        """Ask for an action."""
        return self.ask("POST", f"/servers/{server_id}/action", {name: argument}, **how)


class Door:
    """The service's door for a host, without a wire."""

    def __init__(self, cloud: Cloud, host: str) -> None:
        self._cloud, self._host = cloud, host
        self._path = f"/internal/hosts/{host}"

    def register(self, resources: Mapping[str, Any]) -> None:
        self._cloud.as_host(self._host, "PUT", self._path, {"resources": dict(resources)})

    def work(self, since: int, wait_seconds: int) -> tuple[int, list[dict[str, Any]]]:
        _, found = self._cloud.as_host(self._host, "GET", f"{self._path}/work?since={since}")
        if wait_seconds and found["sequence"] == since:
            time.sleep(0.05)  # The service would keep the question open; here a short look must do.
        return found["sequence"], found["servers"]

    def report(self, server_id: str, document: Mapping[str, Any]) -> None:
        self._cloud.as_host(self._host, "POST", f"{self._path}/servers/{server_id}", dict(document))

    def leases(self) -> list[dict[str, Any]]:
        status, found = self._cloud.as_host(self._host, "GET", f"{self._path}/leases")
        if status != 200:
            raise Unavailable(str(found))
        return list(found["leases"])

    def commit(self, project_id: str, volume_id: str, facts: Mapping[str, Any]) -> None:
        document = {"project_id": project_id, "commit": dict(facts)}
        status, found = self._cloud.as_host(self._host, "POST", f"{self._path}/volumes/{volume_id}", document)
        if status == 409:
            raise Refused(str(found), 409)
        if status != 204:
            raise Unavailable(str(found))

    def is_elsewhere(self, server_id: str) -> bool:
        status, found = self._cloud.as_host(self._host, "GET", f"{self._path}/servers/{server_id}")
        return status == 200 and bool(found["elsewhere"])
