"""Images as clients of before 2.36 ask the compute service for them (their metadata: before 2.39).

GET images?server=&type=&status=…, images/ID/metadata ──▶ the image service, with the caller's own token
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from ..ordering import reference_of
from ..views.links import links
from ..world import World
from .rim import api_url, pairs, until

LAST, LAST_OF_METADATA = 35, 38
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
ALL = 1000  # As many as the image service gives at once.
METADATA_MAX = 128
# What is an image's own; everything else is metadata.
_OWN = frozenset(
    {
        *("id", "name", "status", "visibility", "protected", "tags", "checksum", "size", "virtual_size"),
        *("created_at", "updated_at", "container_format", "disk_format", "min_disk", "min_ram", "owner"),
        *("file", "self", "schema", "os_hash_algo", "os_hash_value", "os_hidden", "direct_url", "locations"),
        *("stores", "owner_specified.openstack.md5", "owner_specified.openstack.sha256"),
    }
)
_STATUSES = {
    "active": "ACTIVE",
    "queued": "SAVING",
    "saving": "SAVING",
    "uploading": "SAVING",
    "importing": "SAVING",
    "killed": "ERROR",
    "deleted": "DELETED",
    "pending_delete": "DELETED",
}
_PROGRESS = {"queued": 25, "saving": 50, "uploading": 50, "importing": 50, "active": 100}
_FILTERS = {"name": "name", "type": "image_type", "minDisk": "min_disk", "minRam": "min_ram"}


class OldImageController:
    """Serves /images."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _ask(
        self,
        call: Call,
        method: str,
        path: str,
        document: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        peer = self._world.images.peer
        return peer.ask(method, f"/v2/images{path}", document, token=call.token, query=query, headers=headers)

    @served("GET HEAD", "/v2.1/images")
    def index(self, call: Call) -> Response:
        """List ids and names."""
        written = [
            {"id": image["id"], "name": image.get("name"), "links": _links(call, image)}
            for image in self._found(call)
        ]
        return answer(200, {"images": written})

    @served("GET HEAD", "/v2.1/images/detail")
    def detail(self, call: Call) -> Response:
        """List whole images."""
        return answer(200, {"images": [_document(call, image) for image in self._found(call)]})

    def _found(self, call: Call) -> list[dict[str, Any]]:
        until(call, LAST)
        asked = call.query
        query = {there: asked[here] for here, there in _FILTERS.items() if asked.get(here)}
        if asked.get("server"):
            query["instance_uuid"] = reference_of(asked["server"])
        if asked.get("changes-since"):
            query["updated_at"] = f"gte:{asked['changes-since']}"
        if asked.get("marker"):
            query["marker"] = asked["marker"]
        query["limit"] = asked.get("limit") or str(ALL)
        found = self._ask(call, "GET", "", query=query)["images"]
        wanted = asked.get("status", "").upper()
        return [image for image in found if not wanted or _status(image) == wanted]

    @served("GET HEAD", "/v2.1/images/{image_id}")
    def show(self, call: Call, image_id: str) -> Response:
        """Show one."""
        until(call, LAST)
        return answer(200, {"image": _document(call, self._ask(call, "GET", f"/{image_id}"))})

    @served("DELETE", "/v2.1/images/{image_id}")
    def remove(self, call: Call, image_id: str) -> Response:
        """Remove one."""
        until(call, LAST)
        self._ask(call, "DELETE", f"/{image_id}")
        return empty(204)

    def _metadata(self, call: Call, image_id: str) -> dict[str, str]:
        until(call, LAST_OF_METADATA)
        return _metadata(self._ask(call, "GET", f"/{image_id}"))

    def _write(self, call: Call, image_id: str, have: Mapping[str, str], want: Mapping[str, str]) -> None:
        """Add, change and remove what is different."""
        steps: list[dict[str, str]] = []
        for name in have.keys() - want.keys():
            steps.append({"op": "remove", "path": f"/{_escaped(name)}"})
        for name, value in want.items():
            if have.get(name) != value:
                step = {
                    "op": "replace" if name in have else "add",
                    "path": f"/{_escaped(name)}",
                    "value": value,
                }
                steps.append(step)
        if steps:
            self._ask(call, "PATCH", f"/{image_id}", steps, headers=PATCH)

    @served("GET HEAD", "/v2.1/images/{image_id}/metadata")
    def metadata(self, call: Call, image_id: str) -> Response:
        """Show the metadata."""
        return answer(200, {"metadata": self._metadata(call, image_id)})

    @served("POST", "/v2.1/images/{image_id}/metadata")
    def add_metadata(self, call: Call, image_id: str) -> Response:
        """Add to the metadata."""
        have = self._metadata(call, image_id)
        want = pairs({**have, **call.member("metadata")}, most=METADATA_MAX)
        self._write(call, image_id, have, want)
        return answer(200, {"metadata": want})

    @served("PUT", "/v2.1/images/{image_id}/metadata")
    def replace_metadata(self, call: Call, image_id: str) -> Response:
        """Replace the metadata."""
        have = self._metadata(call, image_id)
        want = pairs(call.member("metadata"), most=METADATA_MAX)
        self._write(call, image_id, have, want)
        return answer(200, {"metadata": want})

    @served("GET HEAD", "/v2.1/images/{image_id}/metadata/{key}")
    def item(self, call: Call, image_id: str, key: str) -> Response:
        """Show one item."""
        have = self._metadata(call, image_id)
        if key not in have:
            raise NotFound("Metadata item was not found")
        return answer(200, {"meta": {key: have[key]}})

    @served("PUT", "/v2.1/images/{image_id}/metadata/{key}")
    def set_item(self, call: Call, image_id: str, key: str) -> Response:
        """Set one item."""
        have, meta = self._metadata(call, image_id), call.member("meta")
        if list(meta) != [key]:
            raise BadRequest("Request body and URI mismatch")
        self._write(call, image_id, have, pairs({**have, **meta}, most=METADATA_MAX))
        return answer(200, {"meta": meta})

    @served("DELETE", "/v2.1/images/{image_id}/metadata/{key}")
    def remove_item(self, call: Call, image_id: str, key: str) -> Response:
        """Remove one item."""
        have = self._metadata(call, image_id)
        if key not in have:
            raise NotFound("Metadata item was not found")
        self._write(call, image_id, have, {name: have[name] for name in have if name != key})
        return empty(204)


def _escaped(name: str) -> str:
    """Return a name as JSON pointers have it."""
    return name.replace("~", "~0").replace("/", "~1")


def _metadata(image: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in image.items() if name not in _OWN and value is not None}


def _status(image: Mapping[str, Any]) -> str:
    return _STATUSES.get(image["status"], "UNKNOWN")


def _links(call: Call, image: Mapping[str, Any]) -> list[dict[str, str]]:
    return links(api_url(call), f"images/{image['id']}")


def _document(call: Call, image: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": image["id"],
        "name": image.get("name"),
        "status": _status(image),
        "progress": _PROGRESS.get(image["status"], 0),
        "minDisk": image.get("min_disk") or 0,
        "minRam": image.get("min_ram") or 0,
        "created": image["created_at"],
        "updated": image["updated_at"],
        "metadata": _metadata(image),
        "links": _links(call, image),
        "OS-EXT-IMG-SIZE:size": image.get("size") or 0,
    }
    if image.get("instance_uuid"):
        server_id = image["instance_uuid"]
        written["server"] = {"id": server_id, "links": links(api_url(call), f"servers/{server_id}")}
    return written
