"""What is told to a guest, gathered from the catalogue.

Server, ports ──▶ guest_of() ──▶ documents.Guest        for the metadata service and the config drive
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

from .documents import Guest, Link
from .records import Interface, Server


def guest_of(server: Server, interfaces: Sequence[Interface], left_password: str = "") -> Guest:
    """Return the guest that a server is."""
    return Guest(
        uuid=server.id,
        name=server.name,
        hostname=server.hostname,
        project_id=server.project_id,
        zone=server.zone or "nova",
        launch_index=server.launch_index,
        key_name=server.key_name,
        public_key=server.public_key,
        metadata=server.metadata,
        user_data=_decoded(server.user_data) if server.user_data else None,
        admin_password=server.admin_password,
        flavor_name=server.flavor["name"],
        image_id=server.image_id,
        reservation_id=server.reservation_id,
        # The same at each reading, so that the config drive does not change with every start.
        random_seed=hashlib.sha512(f"{server.id}/{server.admin_password}".encode()).digest(),
        files=tuple((path, _decoded(contents)) for path, contents in server.files),
        left_password=left_password,
        links=tuple(
            Link(
                port_id=interface.port_id,
                network_id=interface.network_id,
                mac=interface.mac,
                mtu=int(interface.vif.get("mtu") or 1500),
                addresses=tuple(interface.addresses),
                tag=interface.tag,
            )
            for interface in interfaces
        ),
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode()
