"""The image service in this process: a catalogue in a file, a store in memory, callers at hand.

World(folder) ──▶ .call("GET", "/v2/images", as_=ALICE), .upload(image_id, data), .store, .clock
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from block_store import MemoryStore
from cloud import FakeVerifier, call, identity_of
from databases import catalogue_url
from store import Reply

from apus.common.identity import Identity
from apus.compute.block.config import BlockConfig
from apus.compute.catalogue import Catalogue
from apus.compute.image.app import MIGRATIONS, ImageService, make_service
from apus.compute.image.settings import ImageSettings
from apus.compute.image.shelf import Shelf

ALICE = identity_of("alices", user="alice")
BOB = identity_of("bobs", user="bob")
READER = identity_of("alices", ("reader",), user="rita")
ADMIN = identity_of("admins", ("admin",), user="root")
BLOCK_BYTES = 4096
OCTETS = "application/octet-stream"
PATCH = "application/openstack-images-v2.1-json-patch"


class World:
    """One service; time stands still unless told."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = 1_700_000_000.0
        self.store = MemoryStore(clock=lambda: self.now)
        self.blocks = BlockConfig(
            block_size=BLOCK_BYTES, block_uploads=1, sweep_grace_seconds=0, sweep_settle_seconds=0
        )
        self.settings = ImageSettings(**{"database": catalogue_url(folder, "image"), **settings})
        self.verifier = FakeVerifier()
        self.later: list[Callable[[], None]] | None = None
        """Where a list is given, imports wait in it; otherwise they run at once."""
        self.addresses: dict[str, list[str]] = {}
        self.catalogue = Catalogue.open(self.settings.database, MIGRATIONS)
        self.service = self.started()

    def started(self) -> ImageService:
        """Return the service as after a restart: nothing of it but the catalogue and the store is left."""
        self.service = make_service(
            catalogue=self.catalogue,
            store=self.store,
            verifier=self.verifier,
            settings=self.settings,
            blocks=self.blocks,
            clock=lambda: self.now,
            spawn=self._spawn,
            resolve=lambda host, _: self.addresses.get(host, [host]),
        )
        return self.service

    @property
    def shelf(self) -> Shelf:
        """The data of all images."""
        return Shelf(self.store, self.blocks)

    def _spawn(self, work: Callable[[], None]) -> None:
        if self.later is None:
            work()
        else:
            self.later.append(work)

    def call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        as_: Identity = ALICE,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request as somebody."""
        token = self.verifier.token_of(as_)
        return call(self.service, method, path, document, token=token, headers=headers, body=body)

    def made(self, as_: Identity = ALICE, **properties: Any) -> str:
        """Make an image without data and return its id."""
        document = {"disk_format": "raw", "container_format": "bare", **properties}
        reply = self.call("POST", "/v2/images", document, as_=as_)
        assert reply.status == 201, reply.body
        return str(reply.json()["id"])

    def upload(self, image_id: str, data: bytes, *, as_: Identity = ALICE, stage: bool = False) -> Reply:
        """Send an image's data."""
        what = "stage" if stage else "file"
        return self.call(
            "PUT", f"/v2/images/{image_id}/{what}", as_=as_, headers={"Content-Type": OCTETS}, body=data
        )

    def active(self, data: bytes = b"data", as_: Identity = ALICE, **properties: Any) -> str:
        """Make an image with data and return its id."""
        image_id = self.made(as_, **properties)
        reply = self.upload(image_id, data, as_=as_)
        assert reply.status == 204, reply.body
        return image_id

    def shown(self, image_id: str, as_: Identity = ADMIN) -> dict[str, Any]:
        """Return an image's document."""
        reply = self.call("GET", f"/v2/images/{image_id}", as_=as_)
        assert reply.status == 200, reply.body
        document: dict[str, Any] = reply.json()
        return document

    def patch(
        self, image_id: str, *changes: Mapping[str, Any], as_: Identity = ALICE, kind: str = PATCH
    ) -> Reply:
        """Change an image."""
        return self.call(
            "PATCH", f"/v2/images/{image_id}", list(changes), as_=as_, headers={"Content-Type": kind}
        )

    def listed(self, query: str = "", as_: Identity = ALICE) -> list[str]:
        """Return the names of the images on one page."""
        reply = self.call("GET", f"/v2/images?{query}", as_=as_)
        assert reply.status == 200, reply.body
        return [image["name"] for image in reply.json()["images"]]

    def kept(self, project: str = "alices") -> list[str]:
        """Return what the store holds of a project, but for the sweep's own notes."""
        found = []
        for container in ("blocks", "maps", "records"):
            for name in sorted(self.store.objects.get(f"{project}-{container}", {})):
                if container != "maps" or name.startswith("roots/"):
                    found.append(f"{container}/{name}")
        return found
