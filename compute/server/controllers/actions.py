"""POST /servers/{id}/action: each action is a wish, recorded as a task for the host or the conductor.

{"os-stop": null} ──▶ allowed now? (states.py) ──▶ task powering-off, an action in the server's record
──▶ 202
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, Fault, Forbidden, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet
from ..ordering import changes_of, files_of, hostname_of, reference_of
from ..records import Server
from ..states import VmState, begin
from ..views import server as view
from ..world import World
from .creation import public_key
from .movement import Movement, staying_off
from .pictures import Pictures
from .rim import form_of, minor, pairs, scope_of, since, text
from .servers import end, shown_of
from .wishes import record, undertake

# The name of an action in the request, in the table of states.py, and in the server's record of actions.
SIMPLE: Mapping[str, tuple[str, str]] = {
    "os-start": ("start", "start"),
    "os-stop": ("stop", "stop"),
    "pause": ("pause", "pause"),
    "unpause": ("unpause", "unpause"),
    "suspend": ("suspend", "suspend"),
    "resume": ("resume", "resume"),
    "unrescue": ("unrescue", "unrescue"),
    "shelveOffload": ("shelveOffload", "shelveOffload"),
}
Action = Callable[[Call, Server, Any], Response]


class ActionController:
    """Serves actions on a server."""

    def __init__(self, world: World, consoles: Mapping[str, Action]) -> None:
        self._world = world
        pictures, movement = Pictures(world), Movement(world)
        self._actions: dict[str, Action] = {
            **{name: self._simple(name) for name in SIMPLE},
            "reboot": self._reboot,
            "rescue": self._rescue,
            "rebuild": self._rebuild,
            "lock": self._lock,
            "unlock": self._unlock,
            "changePassword": self._password,
            "forceDelete": self._force_delete,
            "restore": self._restore,
            "os-resetState": self._reset,
            "injectNetworkInfo": self._nothing,
            "resetNetwork": self._nothing,
            "unshelve": self._unshelve,
            "addSecurityGroup": self._add_group,
            "removeSecurityGroup": self._remove_group,
            **consoles,
            **pictures.actions(),
            **movement.actions(),
        }

    @served("POST", "/v2.1/servers/{server_id}/action")
    def act(self, call: Call, server_id: str) -> Response:
        """Do the one action that the body names."""
        document = call.json()
        if len(document) != 1:
            raise BadRequest("The body must name one action.")
        name, argument = next(iter(document.items()))
        action = self._actions.get(name)
        if action is None:
            raise BadRequest(f"There is no such action: {name}")
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
        return action(call, server, argument)

    def _simple(self, name: str) -> Action:
        rule, recorded = SIMPLE[name]

        def act(call: Call, server: Server, argument: Any) -> Response:
            del argument
            undertake(self._world, call, server, rule, recorded)
            return empty(202)

        return act

    def _reboot(self, call: Call, server: Server, argument: Any) -> Response:
        kind = argument.get("type", "").upper() if isinstance(argument, dict) else ""
        if kind not in ("SOFT", "HARD"):
            raise BadRequest("Argument 'type' for reboot must be HARD or SOFT")
        undertake(self._world, call, server, f"reboot_{kind.lower()}", "reboot")
        return empty(202)

    def _rescue(self, call: Call, server: Server, argument: Any) -> Response:
        asked = argument if isinstance(argument, dict) else {}
        image_id = reference_of(asked.get("rescue_image_ref") or server.image_id)
        if not image_id:
            raise BadRequest("Cannot rescue a volume-backed instance without an image.")
        place = self._place_of(call, image_id)
        password = asked.get("adminPass") or secrets.token_urlsafe(9)
        undertake(
            self._world, call, server, "rescue", "rescue", task={"rescue_map": place}, admin_password=password
        )
        return answer(200, {"adminPass": password})

    def _place_of(self, call: Call, image_id: str) -> str:
        """Return where the data of an image are that the caller may see."""
        try:
            image = self._world.images.show(image_id, call.token)
            place = self._world.images.map_of(image.id)
        except Fault as problem:
            raise BadRequest(f"Can not find requested image {image_id}.") from problem
        if image.status != "active" or not place:
            raise BadRequest(f"Image {image_id} is not active.")
        return place

    def _rebuild(self, call: Call, server: Server, argument: Any) -> Response:
        asked = argument if isinstance(argument, dict) else {}
        image_id = reference_of(str(asked.get("imageRef") or ""))
        if not image_id:
            raise BadRequest("Invalid imageRef provided.")
        if not server.image_id:
            raise BadRequest("Unable to rebuild with a different image for a volume-backed server.")
        place = self._place_of(call, image_id)
        image = self._world.images.show(image_id, call.token)
        values: dict[str, Any] = {
            "image_id": image_id,
            "image_properties": dict(image.properties),
            "map_id": place,
            "fault": None,
            "admin_password": asked.get("adminPass") or secrets.token_urlsafe(9),
            "task": staying_off(server),
        }
        if "name" in asked:
            values["name"] = text(asked, "name")
        if "metadata" in asked:
            values["metadata"] = pairs(asked["metadata"] or {}, most=128)
        for member, column, version in (
            ("description", "description", 19), ("key_name", "key_name", 54), ("user_data", "user_data", 57),
            ("hostname", "hostname", 90),
        ):  # fmt: skip
            if member in asked and minor(call) >= version:
                values[column] = asked[member]
        if "key_name" in values:
            with self._world.catalogue.read() as connection:
                values["public_key"] = public_key(connection, call, values["key_name"])
        values |= changes_of(asked)
        if "hostname" in values:
            values["hostname"] = hostname_of(asked["hostname"], minor(call))
        if "personality" in asked:
            values["files"] = [list(file) for file in files_of(asked["personality"] or [], minor(call))]
        undertake(self._world, call, server, "rebuild", "rebuild", **values)
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server.id)
        shown = shown_of(self._world, [server], hosts=False)
        document = view.changed(shown[0], form_of(call))
        document["adminPass"] = values["admin_password"]
        if minor(call) >= 57:
            document["user_data"] = server.user_data
            document.pop(
                "OS-EXT-SRV-ATTR:user_data", None
            )  # The same by another name, which is not read here.
        if minor(call) >= 54:
            document["key_name"] = server.key_name
        return answer(202, {"server": document}, {"Location": f"{call.base_url}/v2.1/servers/{server.id}"})

    def _lock(self, call: Call, server: Server, argument: Any) -> Response:
        reason = argument.get("locked_reason") if isinstance(argument, dict) and minor(call) >= 73 else None
        owner = "admin" if call.is_admin and call.identity.project_id != server.project_id else "owner"
        self._note(call, server, "lock", locked_by=owner, locked_reason=reason)
        return empty(202)

    def _unlock(self, call: Call, server: Server, argument: Any) -> Response:
        del argument
        if server.locked_by == "admin" and not call.is_admin:
            raise Forbidden("The server was locked by an administrator.")
        self._note(call, server, "unlock", locked_by=None, locked_reason=None)
        return empty(202)

    def _password(self, call: Call, server: Server, argument: Any) -> Response:
        asked = argument if isinstance(argument, dict) else {}
        password = text(asked, "adminPass")
        undertake(self._world, call, server, "changePassword", "changePassword", admin_password=password)
        return empty(202)

    def _force_delete(self, call: Call, server: Server, argument: Any) -> Response:
        del argument
        end(self._world, call, server.id)
        return empty(202)

    def _restore(self, call: Call, server: Server, argument: Any) -> Response:
        """Refuse: a deleted server is gone at once here, and none waits to be restored."""
        del argument
        begin("restore", server.standing, server_id=server.id, is_admin=call.is_admin)
        raise Conflict("Nothing is left to restore.")

    def _reset(self, call: Call, server: Server, argument: Any) -> Response:
        call.require("admin")
        state = argument.get("state") if isinstance(argument, dict) else None
        if state not in ("active", "error"):
            raise BadRequest("The state must be active or error.")
        vm = VmState.ACTIVE if state == "active" else VmState.ERROR
        self._note(call, server, "resetState", vm_state=vm, task_state=None, task={})
        return empty(202)

    def _nothing(self, call: Call, server: Server, argument: Any) -> Response:
        """Do nothing: what a guest is told of its network is always made from the ports that it has."""
        del server, argument
        call.require("admin")
        return empty(202)

    def _unshelve(self, call: Call, server: Server, argument: Any) -> Response:
        asked = argument if isinstance(argument, dict) else {}
        values: dict[str, Any] = {}
        if "availability_zone" in asked and minor(call) >= 77:
            values["pinned_zone"] = asked["availability_zone"]
        if asked.get("host"):
            since(call, 91)
            call.require("admin")
            values["task"] = {"host": asked["host"]}
        undertake(self._world, call, server, "unshelve", "unshelve", **values)
        return empty(202)

    def _add_group(self, call: Call, server: Server, argument: Any) -> Response:
        return self._regroup(call, server, argument, adding=True)

    def _remove_group(self, call: Call, server: Server, argument: Any) -> Response:
        return self._regroup(call, server, argument, adding=False)

    def _regroup(self, call: Call, server: Server, argument: Any, *, adding: bool) -> Response:
        name = text(argument if isinstance(argument, dict) else {}, "name")
        if not adding and name not in server.security_groups:
            raise NotFound(f"Security group {name} is not associated with the instance {server.id}")
        left = [group for group in server.security_groups if group != name]
        groups = [*left, name] if adding else left
        networks = self._world.networks
        try:
            ids = networks.security_groups(groups, server.project_id, call.token)
            with self._world.catalogue.read() as connection:
                ports = fleet.interfaces_of(connection, [server.id])[server.id]
            for port in ports:
                networks.set_groups(port.port_id, ids, call.token)
        except Fault as problem:
            raise NotFound(problem.message) from problem
        with self._world.catalogue.write() as connection:
            fleet.change(connection, server, self._world.clock(), security_groups=groups)
        return empty(202)

    def _note(self, call: Call, server: Server, action: str, **values: Any) -> None:
        now = self._world.clock()
        with self._world.catalogue.write() as connection:
            fleet.change(connection, server, now, **values)
            record(connection, call, server, action, now)
