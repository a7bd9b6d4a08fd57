"""Volumes and their snapshots as clients of before 2.36 ask the compute service for them.

os-volumes, os-snapshots ──▶ the volume service, with the caller's own token ──▶ in the form of then
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.reply import answer, empty
from ...api.routing import served
from ..volumes import VERSION
from ..world import World
from .rim import until, whole

LAST = 35


class OldVolumeController:
    """Serves os-volumes and os-snapshots."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _ask(
        self,
        call: Call,
        method: str,
        path: str,
        document: Any = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        until(call, LAST)
        where = f"/{call.project_id}/{path}"
        peer = self._world.volumes.peer
        return peer.ask(method, where, document, token=call.token, query=query, headers=VERSION)

    @served("GET HEAD", "/v2.1/os-volumes", "/v2.1/os-volumes/detail")
    def volumes(self, call: Call) -> Response:
        """List the project's volumes."""
        found = self._ask(call, "GET", "volumes/detail", query=_page(call))["volumes"]
        return answer(200, {"volumes": [_volume(each) for each in found]})

    @served("GET HEAD", "/v2.1/os-volumes/{volume_id}")
    def volume(self, call: Call, volume_id: str) -> Response:
        """Show one."""
        return answer(200, {"volume": _volume(self._ask(call, "GET", f"volumes/{volume_id}")["volume"])})

    @served("POST", "/v2.1/os-volumes")
    def add_volume(self, call: Call) -> Response:
        """Make one."""
        asked = call.member("volume")
        wanted = {
            "size": whole(asked, "size", least=1),
            "name": asked.get("display_name"),
            "description": asked.get("display_description"),
            "metadata": asked.get("metadata") or {},
            "snapshot_id": asked.get("snapshot_id"),
            "volume_type": asked.get("volume_type"),
            "availability_zone": asked.get("availability_zone"),
        }
        document = {"volume": {name: value for name, value in wanted.items() if value is not None}}
        return answer(200, {"volume": _volume(self._ask(call, "POST", "volumes", document)["volume"])})

    @served("DELETE", "/v2.1/os-volumes/{volume_id}")
    def remove_volume(self, call: Call, volume_id: str) -> Response:
        """Remove one."""
        self._ask(call, "DELETE", f"volumes/{volume_id}")
        return empty(202)

    @served("GET HEAD", "/v2.1/os-snapshots", "/v2.1/os-snapshots/detail")
    def snapshots(self, call: Call) -> Response:
        """List the project's snapshots."""
        found = self._ask(call, "GET", "snapshots/detail", query=_page(call))["snapshots"]
        return answer(200, {"snapshots": [_snapshot(each) for each in found]})

    @served("GET HEAD", "/v2.1/os-snapshots/{snapshot_id}")
    def snapshot(self, call: Call, snapshot_id: str) -> Response:
        """Show one."""
        found = self._ask(call, "GET", f"snapshots/{snapshot_id}")["snapshot"]
        return answer(200, {"snapshot": _snapshot(found)})

    @served("POST", "/v2.1/os-snapshots")
    def add_snapshot(self, call: Call) -> Response:
        """Make one."""
        asked = call.member("snapshot")
        wanted = {
            "volume_id": asked.get("volume_id"),
            "name": asked.get("display_name"),
            "description": asked.get("display_description"),
            "force": asked.get("force", False),
        }
        found = self._ask(call, "POST", "snapshots", {"snapshot": wanted})["snapshot"]
        return answer(200, {"snapshot": _snapshot(found)})

    @served("DELETE", "/v2.1/os-snapshots/{snapshot_id}")
    def remove_snapshot(self, call: Call, snapshot_id: str) -> Response:
        """Remove one."""
        self._ask(call, "DELETE", f"snapshots/{snapshot_id}")
        return empty(202)


def _page(call: Call) -> dict[str, str]:
    """The members of the query that ask for a part of a list."""
    return {name: call.query[name] for name in ("limit", "offset") if call.query.get(name)}


def _volume(found: Mapping[str, Any]) -> dict[str, Any]:
    attachments = [
        {
            "id": found["id"],
            "volumeId": found["id"],
            "serverId": each["server_id"],
            "device": each.get("device") or "",
        }
        for each in found.get("attachments", ())
    ]
    return {
        "id": found["id"],
        "status": found["status"],
        "size": found["size"],
        "availabilityZone": found.get("availability_zone") or "",
        "createdAt": found["created_at"],
        "displayName": found.get("name"),
        "displayDescription": found.get("description"),
        "volumeType": found.get("volume_type"),
        "snapshotId": found.get("snapshot_id"),
        "metadata": found.get("metadata") or {},
        "attachments": attachments or [{}],
    }


def _snapshot(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": found["id"],
        "volumeId": found["volume_id"],
        "status": found["status"],
        "size": found["size"],
        "createdAt": found["created_at"],
        "displayName": found.get("name"),
        "displayDescription": found.get("description"),
    }
