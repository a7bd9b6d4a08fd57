"""The image service as servers need it.

ImageClient(peer) ──▶ show(id, token) ──▶ Image      reserve(…) / fill(…) / discard(…) for snapshots
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .peers import Peer

LOCATION_PREFIX = "apus-block:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a server needs to know of an image."""

    id: str
    name: str = ""
    status: str = "active"
    min_disk_gib: int = 0
    min_ram_mib: int = 0
    size: int = 0
    disk_format: str = "raw"
    properties: Mapping[str, Any] = field(default_factory=dict)


class ImageClient:
    """Talks to the image service."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def show(self, image_id: str, token: str) -> Image:
        """Return an image that the holder of the token may see; raise Fault (404) for any other."""
        found = self.peer.ask("GET", f"/v2/images/{image_id}", token=token)
        return Image(
            id=found["id"],
            name=found.get("name") or "",
            status=found["status"],
            min_disk_gib=found.get("min_disk") or 0,
            min_ram_mib=found.get("min_ram") or 0,
            size=found.get("size") or 0,
            disk_format=found.get("disk_format") or "raw",
            properties={
                name: value
                for name, value in found.items()
                if name.startswith(("hw_", "os_", "img_", "block_device_mapping"))
                and isinstance(value, str | int | bool)
            },
        )

    def map_of(self, image_id: str) -> str:
        """Return `<project>/<map>` of an image that is kept as a block map, "" where it is not."""
        found = self.peer.ask("GET", f"/v2/images/{image_id}/locations")
        places = found.get("items") or found.get("locations") or []
        urls = [place["url"] for place in places if place.get("url", "").startswith(LOCATION_PREFIX)]
        return urls[0].removeprefix(LOCATION_PREFIX) if urls else ""

    def reserve(self, name: str, properties: Mapping[str, Any], token: str) -> str:
        """Make an image without data, the caller's; return its id."""
        document = {
            "name": name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "private",
            **properties,
        }
        return str(self.peer.ask("POST", "/v2/images", document, token=token)["id"])

    def fill(self, image_id: str, place: str) -> None:
        """Let the image be the block map `<project>/<map>`, and active."""
        url = f"{LOCATION_PREFIX}{place}"
        self.peer.ask("POST", f"/v2/images/{image_id}/locations", {"url": url, "validation_data": {}})

    def fill_with_nothing(self, image_id: str, token: str) -> None:
        """Make the image active without data: what it stands for is in its properties."""
        kind = {"Content-Type": "application/octet-stream"}
        self.peer.ask("PUT", f"/v2/images/{image_id}/file", token=token, headers=kind)

    def backups(self, server_id: str, kind: str, token: str) -> list[str]:
        """Return the ids of a server's backups of this kind, newest first."""
        query = {
            "instance_uuid": server_id,
            "backup_type": kind,
            "sort": "created_at:desc",
            "status": "active",
        }
        found = self.peer.ask("GET", "/v2/images", token=token, query=query)
        return [image["id"] for image in found.get("images", ())]

    def discard(self, image_id: str) -> None:
        """Remove the image."""
        self.peer.ask("DELETE", f"/v2/images/{image_id}")
