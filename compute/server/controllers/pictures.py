"""Actions that take a picture of a server's disk: createImage, createBackup, shelve.

createImage ──▶ an image without data, the caller's ──▶ task image_snapshot ──▶ the agent commits the
disk,
and the image becomes that map: nothing is copied, and the guest does not stop
root is a volume ──▶ snapshots of the volumes ──▶ an image without data that names them
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from webob import Response

from ....common.errors import ApusError
from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer, empty
from .. import fleet
from ..mapping import properties_of
from ..records import BlockDevice, Server
from ..states import begin
from ..world import World
from .rim import minor, pairs, text, whole
from .wishes import record, undertake

log = logging.getLogger(__name__)


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
        if not server.image_id:
            return self._answered(call, self._of_volumes(call, server, name, metadata))
        image_id = self._begin(call, server, "createImage", name, {"image_type": "snapshot", **metadata})
        return self._answered(call, image_id)

    def backup(self, call: Call, server: Server, argument: Any) -> Response:
        """Take a snapshot, and remove the oldest of its kind beyond the rotation."""
        asked = argument if isinstance(argument, dict) else {}
        name, kind = text(asked, "name"), text(asked, "backup_type")
        rotation = whole(asked, "rotation")
        if not server.image_id:
            raise BadRequest("Backup is not supported for volume-backed instances: back the volume up.")
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
        """Take a picture, and let the host go; a server whose root is a volume has it already."""
        del argument
        if not server.image_id:
            undertake(self._world, call, server, "shelve", "shelve")
            return empty(202)
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

    def _of_volumes(self, call: Call, server: Server, name: str, metadata: Mapping[str, Any]) -> str:
        """Take a snapshot of each volume, and make an image that says which; what was begun in vain goes."""
        begin("createImage", server.standing, server_id=server.id, is_admin=call.is_admin)
        world, project = self._world, server.project_id
        with world.catalogue.read() as connection:
            found = fleet.devices_of(connection, [server.id])[server.id]
        devices = [device for device in found if device.volume_id]
        made: list[tuple[BlockDevice, str]] = []
        with ExitStack() as undoing:
            for device in devices:
                assert device.volume_id is not None
                title = f"snapshot for {name}"
                snapshot_id = world.volumes.make_snapshot(project, device.volume_id, title, call.token)
                undoing.callback(_undo, world.volumes.remove_snapshot, project, snapshot_id)
                made.append((device, snapshot_id))
            facts = {"instance_uuid": server.id, "user_id": server.user_id, "image_type": "snapshot"}
            image_id = world.images.reserve(name, {**metadata, **facts, **properties_of(made)}, call.token)
            undoing.callback(_undo, world.images.discard, image_id)
            world.images.fill_with_nothing(image_id, call.token)
            undoing.pop_all()
        with world.catalogue.write() as connection:
            record(connection, call, server, "createImage", world.clock())
        return image_id

    def _answered(self, call: Call, image_id: str) -> Response:
        if minor(call) >= 45:
            return answer(202, {"image_id": image_id})
        return empty(202, {"Location": f"{self._world.settings.image_url}/images/{image_id}"})


def _undo(remove: Callable[..., None], *ids: str) -> None:
    """Take back one thing; what cannot be, is told, and hides neither the first error nor the rest."""
    try:
        remove(*ids)
    except ApusError as problem:
        log.warning("a picture that failed left something", extra={"left": ids[-1], "reason": str(problem)})
