"""Actions that take a picture of a server's disk: createImage, createBackup, shelve.

createImage ──▶ an image without data, the caller's ──▶ task image_snapshot ──▶ the agent commits the
disk,
and the image becomes that map: nothing is copied, and the guest does not stop
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import Conflict
from ...api.reply import answer, empty
from ..records import Server
from ..states import begin
from ..world import World
from .rim import minor, pairs, text, whole
from .wishes import undertake


class Pictures:
    """The actions that make images."""

    def __init__(self, world: World) -> None:
        self._world = world

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {"createImage": self.image, "createBackup": self.backup, "shelve": self.shelve}

    def image(self, call: Call, server: Server, argument: Any) -> Response:
        """Take a snapshot."""
        asked = argument if isinstance(argument, dict) else {}
        name = text(asked, "name")
        metadata = pairs(asked.get("metadata") or {}, most=128)
        image_id = self._begin(call, server, "createImage", name, {**metadata, "image_type": "snapshot"})
        return self._answered(call, image_id)

    def backup(self, call: Call, server: Server, argument: Any) -> Response:
        """Take a snapshot, and remove the oldest of its kind beyond the rotation."""
        asked = argument if isinstance(argument, dict) else {}
        name, kind = text(asked, "name"), text(asked, "backup_type")
        rotation = whole(asked, "rotation")
        metadata = pairs(asked.get("metadata") or {}, most=128)
        properties = {**metadata, "image_type": "backup", "backup_type": kind}
        images = self._world.images
        begin("createBackup", server.standing, server_id=server.id, is_admin=call.is_admin)
        older = images.backups(server.id, kind, call.token)
        if rotation == 0:
            for image_id in older:
                images.discard(image_id)
            return empty(202)
        image_id = self._begin(
            call, server, "createBackup", name, properties, extra={"surplus": older[rotation - 1 :]}
        )
        return self._answered(call, image_id)

    def shelve(self, call: Call, server: Server, argument: Any) -> Response:
        """Take a picture, and let the host go."""
        del argument
        self._begin(call, server, "shelve", f"{server.name}-shelved", {"image_type": "snapshot"})
        return empty(202)

    def _begin(
        self,
        call: Call,
        server: Server,
        action: str,
        name: str,
        properties: Mapping[str, Any],
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        begin(action, server.standing, server_id=server.id, is_admin=call.is_admin)
        if not server.image_id:
            raise Conflict("The server's disk is a volume: take a snapshot of the volume.")
        inherited = {
            key: str(value) for key, value in server.image_properties.items() if key.startswith("hw_")
        }
        facts = {
            "instance_uuid": server.id,
            "user_id": server.user_id,
            "base_image_ref": server.image_id,
            "min_disk": server.flavor["disk"],
        }
        image_id = self._world.images.reserve(name, {**inherited, **facts, **properties}, call.token)
        task = {"image_id": image_id, **(extra or {})}
        undertake(self._world, call, server, action, action, task=task)
        return image_id

    def _answered(self, call: Call, image_id: str) -> Response:
        if minor(call) >= 45:
            return answer(202, {"image_id": image_id})
        return empty(202, {"Location": f"{self._world.settings.image_url}/images/{image_id}"})
