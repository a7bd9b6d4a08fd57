"""The volume service as servers need it.

VolumeClient(peer) ──▶ show(id, …), make(…), attach(…) ──▶ connection, attached(…), detach(…), remove(…)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api.faults import Fault
from .peers import Peer

VERSION = {"OpenStack-API-Version": "volume 3.50"}
# The first version whose paths need no project: a host's volumes are those of many.
SINCE_NO_PROJECT = {"OpenStack-API-Version": "volume 3.67"}


class VolumeClient:
    """Talks to the volume service."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def show(self, project_id: str, volume_id: str, token: str = "") -> dict[str, Any]:
        """Return a volume that the holder of the token may see; raise Fault (404) for any other."""
        found = self.peer.ask("GET", f"/{project_id}/volumes/{volume_id}", token=token, headers=VERSION)
        return dict(found["volume"])

    def snapshot(self, project_id: str, snapshot_id: str, token: str = "") -> dict[str, Any]:
        """Return a snapshot."""
        found = self.peer.ask("GET", f"/{project_id}/snapshots/{snapshot_id}", token=token, headers=VERSION)
        return dict(found["snapshot"])

    def make(self, project_id: str, token: str, **facts: Any) -> str:
        """Make a volume (size, imageRef, snapshot_id, volume_type, name, …) with the caller's token."""
        document = {"volume": {name: value for name, value in facts.items() if value is not None}}
        found = self.peer.ask("POST", f"/{project_id}/volumes", document, token=token, headers=VERSION)
        return str(found["volume"]["id"])

    def make_snapshot(self, project_id: str, volume_id: str, name: str, token: str) -> str:
        """Make a snapshot of a volume, in use or not, with the caller's token."""
        document = {"snapshot": {"volume_id": volume_id, "name": name, "force": True}}
        found = self.peer.ask("POST", f"/{project_id}/snapshots", document, token=token, headers=VERSION)
        return str(found["snapshot"]["id"])

    def remove_snapshot(self, project_id: str, snapshot_id: str) -> None:
        """Remove a snapshot, even one that is still being made."""
        path = f"/{project_id}/snapshots/{snapshot_id}/action"
        self.peer.ask("POST", path, {"os-force_delete": None}, headers=VERSION)

    def attach(
        self, project_id: str, volume_id: str, server_id: str, host: str, device: str
    ) -> tuple[str, dict[str, Any]]:
        """Reserve the volume for the server on the host; return the attachment's id and how to connect.

        An attachment that is there already, since whoever made it was killed, is taken.

        device: the name that the guest is to see, as in `/dev/vdb`; it is shown to people.
        """
        connector = {
            "host": host,
            "initiator": host,
            "ip": "127.0.0.1",
            "platform": "x86_64",
            "mountpoint": device,
        }
        for listed in self._listed(project_id, volume_id, server_id):
            attachment_id = str(listed["id"])
            try:
                path = f"/{project_id}/attachments/{attachment_id}"
                known = self.peer.ask("PUT", path, {"attachment": {"connector": connector}}, headers=VERSION)
                return attachment_id, dict(known["attachment"].get("connection_info") or {})
            except Fault as problem:  # It is another host's, or went meanwhile.
                if problem.status not in (400, 404):
                    raise
        document = {
            "attachment": {"volume_uuid": volume_id, "instance_uuid": server_id, "connector": connector}
        }
        found = self.peer.ask("POST", f"/{project_id}/attachments", document, headers=VERSION)["attachment"]
        return str(found["id"]), dict(found.get("connection_info") or {})

    def reserve(self, project_id: str, volume_id: str, server_id: str) -> str:
        """Keep the volume for a server that is on no host; return the attachment's id.

        A reservation that is there already, since whoever made it was killed, is taken.
        """
        for known in self._listed(project_id, volume_id, server_id):
            if known["status"] == "reserved":
                return str(known["id"])
        document = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
        found = self.peer.ask("POST", f"/{project_id}/attachments", document, headers=VERSION)
        return str(found["attachment"]["id"])

    def _listed(self, project_id: str, volume_id: str, server_id: str) -> list[dict[str, Any]]:
        """Return the attachments of a volume to a server, as far as the service user may see them."""
        query = {
            "all_tenants": "1",
            "project_id": project_id,
            "volume_id": volume_id,
            "instance_id": server_id,
        }
        found = self.peer.ask("GET", f"/{project_id}/attachments", query=query, headers=VERSION)
        return list(found["attachments"])

    def attached(self, project_id: str, attachment_id: str) -> None:
        """Say that the guest has the volume."""
        path = f"/{project_id}/attachments/{attachment_id}/action"
        self.peer.ask("POST", path, {"os-complete": None}, headers=VERSION)

    def commit(self, project_id: str, volume_id: str, commit: Mapping[str, Any]) -> None:
        """Hand over what the guest has written: the volume is now another map."""
        path = f"/{project_id}/volumes/{volume_id}/action"
        self.peer.ask("POST", path, {"apus-commit": dict(commit)}, headers=VERSION)

    def leases(self, host: str) -> list[dict[str, Any]]:
        """Return the volumes that a host may write to, and for which of them somebody waits for a commit."""
        found = self.peer.ask("GET", "/apus-leases", query={"host": host}, headers=SINCE_NO_PROJECT)
        return list(found["leases"])

    def detach(self, project_id: str, attachment_id: str) -> None:
        """Say that nobody has the volume any more; an attachment that is gone is fine."""
        try:
            self.peer.ask("DELETE", f"/{project_id}/attachments/{attachment_id}", headers=VERSION)
        except Fault as problem:
            if problem.status != 404:
                raise

    def remove(self, project_id: str, volume_id: str) -> None:
        """Remove the volume; one that is gone is fine."""
        try:
            self.peer.ask("DELETE", f"/{project_id}/volumes/{volume_id}", headers=VERSION)
        except Fault as problem:
            if problem.status != 404:
                raise
