"""A volume service in this process: its catalogue in a file, its store in memory, its clock in the test's hand.

world = VolumeWorld.open(tmp_path)
world.asked("POST", "/volumes", {"volume": {"size": 1}})      world.settle()      world.disk(volume)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from block_store import MemoryStore
from cloud import FakeVerifier, call, identity_of
from databases import catalogue_url
from sqlalchemy import select
from store import Reply

from apus.common.errors import Missing, Refused
from apus.common.identity import Identity, Login, OwnToken
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import gathered, resized
from apus.compute.catalogue import Catalogue
from apus.compute.volume.app import MIGRATIONS, VolumeService, make_office, make_service, turn
from apus.compute.volume.images import Image, Images, MapPlace
from apus.compute.volume.office import Office
from apus.compute.volume.settings import VolumeConfig
from apus.compute.volume.tables import metadata

BLOCK = 64 * 1024
GIB = 1 << 30
NEWEST = "volume 3.70"
Saved = tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]


class FakeImages(Images):
    """An image service that is a dictionary."""

    def __init__(self, *, takes_maps: bool = True) -> None:
        login = Login(identity_url="http://identity.invalid", user="", password="", project="")
        super().__init__("http://images.invalid", OwnToken(login))
        self.known: dict[str, Image] = {}
        self.files: dict[str, bytes] = {}
        self.maps: dict[str, MapPlace] = {}
        self.takes_maps = takes_maps

    def add(self, image_id: str, data: bytes, **facts: Any) -> None:
        """Have an active image."""
        usual: dict[str, Any] = {
            "name": "an image",
            "status": "active",
            "size": len(data),
            "virtual_size": None,
            "disk_format": "raw",
            "container_format": "bare",
            "min_disk": 0,
            "min_ram": 0,
            "checksum": "c",
        }
        self.known[image_id] = Image(id=image_id, **{**usual, **facts})
        self.files[image_id] = data

    def show(self, image_id: str, token: str = "") -> Image:
        """Return an image."""
        if image_id not in self.known:
            raise Missing("no such image")
        return self.known[image_id]

    def map_of(self, image_id: str) -> MapPlace | None:
        """Return its map."""
        return self.maps.get(image_id)

    def data(self, image_id: str) -> Iterator[bytes]:
        """Yield its file."""
        yield self.files[image_id]

    def create(self, document: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Register one."""
        image_id = "7e0a6e2e-0000-4000-8000-000000000001"
        self.add(image_id, b"", status="queued", name=document["name"])
        return {"id": image_id, **document}

    def offer_map(self, image_id: str, place: MapPlace) -> bool:
        """Take a map, or not."""
        if self.takes_maps:
            self.maps[image_id] = place
            self.add(image_id, b"")
        return self.takes_maps

    def upload(self, image_id: str, read: Callable[[], Iterable[bytes]], length: int) -> None:
        """Take a file; only its beginning and length are kept."""
        first, seen = b"", 0
        for piece in read():
            first = first or bytes(piece)
            seen += len(piece)
        if seen != length:
            raise Refused("another length")
        self.add(image_id, first, size=length)


@dataclass
class VolumeWorld:
    """The service and all around it."""

    service: VolumeService
    office: Office
    store: MemoryStore
    images: FakeImages
    verifier: FakeVerifier
    now: list[float]
    tokens: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    @classmethod
    def open(
        cls, folder: Path, *, store: MemoryStore | None = None, images: Images | None = None
    ) -> VolumeWorld:
        """Begin with nothing but the store and the image service that are given."""
        now = [1_800_000_000.0]
        catalogue = Catalogue.open(catalogue_url(folder, "volume"), MIGRATIONS)
        if catalogue.engine.dialect.name == "sqlite":
            # One connection serves a test; no test here cuts the power.
            raw = catalogue.engine.raw_connection()
            raw.cursor().execute("PRAGMA synchronous = OFF")
            raw.close()
        store = store or MemoryStore(clock=lambda: now[0])
        return cls._over(catalogue, store, FakeImages(), images, now)

    @classmethod
    def _over(
        cls,
        catalogue: Catalogue,
        store: MemoryStore,
        fake: FakeImages,
        images: Images | None,
        now: list[float],
    ) -> VolumeWorld:
        office = make_office(
            VolumeConfig(),
            catalogue=catalogue,
            store=store,
            blocks=BlockConfig(block_size=BLOCK),
            images=images or fake,
            clock=lambda: now[0],
        )
        verifier = FakeVerifier()
        return cls(make_service(office, verifier), office, store, fake, verifier, now)

    def reborn(self) -> VolumeWorld:
        """The service after its process was killed and started again: all that was in memory is gone."""
        return VolumeWorld._over(self.office.catalogue, self.store, self.images, None, self.now)

    def saved(self) -> Saved:
        """Everything as it is now, for `rewound`."""
        with self.office.catalogue.read() as connection:
            tables = {
                table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for table in metadata.sorted_tables
            }
        return tables, copy.deepcopy(self.store.objects)

    def rewind(self, saved: Saved) -> None:
        """Have everything as it was then."""
        tables, objects = saved
        with self.office.catalogue.write() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
                if tables[table.name]:
                    connection.execute(table.insert(), tables[table.name])
        self.store.objects = copy.deepcopy(objects)
        self.images.maps.clear()

    def token(self, who: Identity) -> str:
        """Return a token of somebody."""
        key = (who.project_id or "", who.roles)
        if key not in self.tokens:
            self.tokens[key] = self.verifier.token_of(who)
        return self.tokens[key]

    def raw(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        project: str = "p1",
        roles: tuple[str, ...] = ("member",),
        version: str = NEWEST,
    ) -> Reply:
        """Send a request and return whatever comes."""
        token = self.token(identity_of(project, roles))
        headers = {"OpenStack-API-Version": version} if version else {}
        return call(self.service, method, f"/v3/{project}{path}", document, token=token, headers=headers)

    def service_call(
        self, method: str, path: str, token: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request to a whole path with whatever token."""
        return call(self.service, method, path, token=token, headers=headers or {})

    def asked(self, method: str, path: str, document: Any = None, **options: Any) -> Any:
        """Send a request that must go well; return its document."""
        reply = self.raw(method, path, document, **options)
        assert reply.status < 300, (method, path, reply.status, reply.body)
        return orjson.loads(reply.body) if reply.body else None

    def refused(self, method: str, path: str, document: Any = None, **options: Any) -> tuple[int, str]:
        """Send a request that must be refused; return status and sentence."""
        reply = self.raw(method, path, document, **options)
        assert reply.status >= 400, (method, path, reply.status, reply.body)
        fault = next(iter(orjson.loads(reply.body).values()))
        return reply.status, fault["message"]

    def act(self, volume_id: str, name: str, facts: Any = None, **options: Any) -> Any:
        """Do an action of a volume."""
        return self.asked("POST", f"/volumes/{volume_id}/action", {name: facts}, **options)

    def settle(self, turns: int = 50) -> None:
        """Run all jobs to their end; time passes for those that wait."""
        for _ in range(turns):
            if not self.office.jobs.run_due(self.office):
                if not self.job_count():
                    return
                self.now[0] += 1.0

    def turn(self) -> None:
        """Do what is done between jobs."""
        turn(self.office)

    def job_count(self) -> int:
        """Return how many jobs there are."""
        with self.office.catalogue.read() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar_one())

    def volume(self, size: int = 1, **facts: Any) -> dict[str, Any]:
        """Make a volume and return it when it is available."""
        made = self.asked("POST", "/volumes", {"volume": {"size": size, **facts}})["volume"]
        self.settle()
        return self.show("volume", made["id"])

    def show(self, kind: str, resource_id: str, **options: Any) -> dict[str, Any]:
        """Return a volume, snapshot or backup."""
        found: dict[str, Any] = self.asked("GET", f"/{kind}s/{resource_id}", **options)[kind]
        return found

    def backup(self, volume_id: str, **facts: Any) -> dict[str, Any]:
        """Make a backup and return it when it is done."""
        made = self.asked("POST", "/backups", {"backup": {"volume_id": volume_id, **facts}})["backup"]
        self.settle()
        return self.show("backup", made["id"])

    def write(self, volume_id: str, data: Mapping[int, bytes], *, host: str = "h1") -> None:
        """Attach a volume to a host, write blocks, commit, detach: as a machine would."""
        info = self.connect(volume_id, host)
        self.commit(volume_id, info, data)
        self.asked(
            "POST", f"/volumes/{volume_id}/action", {"os-terminate_connection": {"connector": {"host": host}}}
        )

    def connect(self, volume_id: str, host: str = "h1") -> dict[str, Any]:
        """Connect a host; return what it is told."""
        told = self.act(volume_id, "os-initialize_connection", {"connector": {"host": host}})
        facts: dict[str, Any] = told["connection_info"]["data"]
        return facts

    def commit(
        self, volume_id: str, info: dict[str, Any], data: Mapping[int, bytes], *, answers: float | None = None
    ) -> str:
        """Commit blocks as the host's server does; return the new map's id."""
        maps = Project.open(self.store, info["project_id"], BlockConfig(block_size=BLOCK)).maps
        with maps.writing() as writing:
            disk = maps.load(info["map_id"])
            saved = writing.save(
                disk.with_changes({index: writing.put(block) for index, block in data.items()})
            )
        facts = {
            "lease": info["lease"],
            "base_map_id": info["map_id"],
            "map_id": saved.map_id,
            "answers": answers,
        }
        self.act(volume_id, "apus-commit", facts, roles=("service",))
        info["map_id"] = saved.map_id
        return saved.map_id

    def blocks(self, map_id: str, *indexes: int, project: str = "p1") -> list[bytes]:
        """Return blocks of a map."""
        maps = Project.open(self.store, project, BlockConfig(block_size=BLOCK)).maps
        disk = maps.load(map_id)
        return [b"".join(read_range(maps, disk, index * BLOCK, BLOCK)) for index in indexes]

    def row(self, table: str, row_id: str) -> dict[str, Any]:
        """Return a row as it is kept."""
        with self.office.catalogue.read() as connection:
            chosen = select(metadata.tables[table]).where(metadata.tables[table].c.id == row_id)
            return dict(connection.execute(chosen).mappings().one())

    def map_ids(self, project: str = "p1") -> set[str]:
        """Return all maps that a project has in the store."""
        return set(Project.open(self.store, project, BlockConfig(block_size=BLOCK)).maps.list())

    def image_map(self, image_id: str, data: bytes, project: str = "images") -> None:
        """Have an image whose data are a map in the block layer."""
        maps = Project.open(self.store, project, BlockConfig(block_size=BLOCK)).maps
        with maps.writing() as writing:
            disk = gathered(maps, writing, [data])
            saved = writing.save(resized(maps, writing, disk, len(data)))
        self.images.add(image_id, data)
        self.images.maps[image_id] = MapPlace(project, saved.map_id)
