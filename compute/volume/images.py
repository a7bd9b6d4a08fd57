"""The image service, as much of it as volumes need.

    Images.show(id, token) ──▶ Image           as the user sees it, so that nobody reads what he may not
    Images.map_of(id)      ──▶ MapPlace | None where the image's blocks lie, if they lie in our block layer
    Images.data(id)        ──▶ pieces           the file itself, from any image service
    Images.create / offer_map / upload          a volume that becomes an image

Asked with the user's token while the user waits, and as the service's own user afterwards: a user's token
may have ended before a long job does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from ...common.errors import Missing, Refused, Unavailable
from ...common.identity import OwnToken

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
PIECE_BYTES = 1024 * 1024
LOCATION = "apus-block:"
_PLAIN = frozenset(
    (
        "id",
        "name",
        "status",
        "visibility",
        "owner",
        "size",
        "virtual_size",
        "disk_format",
        "container_format",
        "min_disk",
        "min_ram",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "protected",
        "tags",
        "created_at",
        "updated_at",
        "self",
        "file",
        "schema",
        "direct_url",
        "locations",
        "stores",
    )
)


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image."""

    id: str
    name: str | None
    status: str
    size: int | None
    virtual_size: int | None
    disk_format: str | None
    container_format: str | None
    min_disk: int
    min_ram: int
    checksum: str | None
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def disk_bytes(self) -> int:
        """Size of the disk that it unpacks to, as far as the image service knows."""
        return self.virtual_size or self.size or 0

    def facts(self) -> dict[str, str]:
        """What a volume made of it remembers, in the words of Cinder's volume_image_metadata."""
        known = {
            "image_id": self.id,
            "image_name": self.name,
            "checksum": self.checksum,
            "disk_format": self.disk_format,
            "container_format": self.container_format,
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "size": self.size,
        }
        return {**self.properties, **{key: str(value) for key, value in known.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class MapPlace:
    """A map in the block layer: whose containers, and its id."""

    project_id: str
    map_id: str


class Images:
    """A client of one image service."""

    def __init__(self, url: str, own: OwnToken, session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        self._own = own
        self._session = session or requests.Session()

    def show(self, image_id: str, token: str = "") -> Image:
        """Return an image as the token's owner sees it (without a token: as the service does).

        Raises:
            Missing: there is none, or it may not be seen.
            Unavailable: the image service does not answer.
        """
        document = self._asked("GET", f"/v2/images/{image_id}", token=token).json()
        extra = {
            str(key): str(value)
            for key, value in document.items()
            if key not in _PLAIN and value is not None and not key.startswith("owner_specified.")
        }
        return Image(
            id=str(document["id"]),
            name=document.get("name"),
            status=str(document.get("status")),
            size=document.get("size"),
            virtual_size=document.get("virtual_size"),
            disk_format=document.get("disk_format"),
            container_format=document.get("container_format"),
            min_disk=int(document.get("min_disk") or 0),
            min_ram=int(document.get("min_ram") or 0),
            checksum=document.get("checksum"),
            properties=extra,
        )

    def map_of(self, image_id: str) -> MapPlace | None:
        """Return where the image's map is, None for an image whose data lie elsewhere."""
        try:
            document = self._asked("GET", f"/v2/images/{image_id}/locations").json()
        except (Missing, Refused):
            return None  # An image service of another make, or one that does not tell us.
        for location in document if isinstance(document, list) else ():
            project, slash, map_id = str(location.get("url", "")).removeprefix(LOCATION).partition("/")
            if slash and str(location["url"]).startswith(LOCATION):
                return MapPlace(project, map_id)
        return None

    def data(self, image_id: str) -> Iterator[bytes]:
        """Yield the image's file.

        Raises:
            Missing, Unavailable: as above, the latter also in the midst of it.
        """
        answer = self._asked("GET", f"/v2/images/{image_id}/file", stream=True)
        try:
            yield from answer.iter_content(PIECE_BYTES)
        except requests.RequestException as problem:
            raise Unavailable(f"the image ended too early: {problem}") from problem
        finally:
            answer.close()

    def create(self, document: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Register an image of the token's owner; return what the image service says of it."""
        made: dict[str, Any] = self._asked("POST", "/v2/images", token=token, json=dict(document)).json()
        return made

    def offer_map(self, image_id: str, place: MapPlace) -> bool:
        """Give a map to be the image's data; False where the image service takes none."""
        location = {"url": f"{LOCATION}{place.project_id}/{place.map_id}", "validation_data": {}}
        try:
            self._asked("POST", f"/v2/images/{image_id}/locations", json=location)
        except (Missing, Refused) as problem:
            log.info("the image service takes no map", extra={"image": image_id, "why": str(problem)})
            return False
        return True

    def upload(self, image_id: str, read: Callable[[], Iterable[bytes]], length: int) -> None:
        """Send the image's file, which is read from the beginning whenever it is sent."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        self._asked("PUT", f"/v2/images/{image_id}/file", data=_Sized(read, length), headers=headers)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        json: dict[str, Any] | None = None,
        data: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Return a good answer, or raise what a bad one means."""

        def send(shown: str) -> requests.Response:
            return self._session.request(
                method,
                self._url + path,
                headers={"X-Auth-Token": shown, **(headers or {})},
                json=json,
                data=data,
                stream=stream,
                timeout=TIMEOUT_SECONDS,
            )

        try:
            answer = send(token) if token else self._own.used(send, lambda heard: heard.status_code)
        except requests.RequestException as problem:
            raise Unavailable(f"the image service does not answer: {problem}") from problem
        if answer.status_code == 404:
            raise Missing(f"Image {path.split('/')[3] if path.count('/') > 2 else ''} could not be found.")
        if answer.status_code >= 500 or answer.status_code in (401, 408, 429):
            raise Unavailable(f"the image service answers {answer.status_code}")
        if answer.status_code >= 300:
            raise Refused(f"The image service refuses: {answer.text[:300]}", answer.status_code)
        return answer


class _Sized:
    """Pieces with a length, so that the request says Content-Length and is not sent in chunks."""

    def __init__(self, read: Callable[[], Iterable[bytes]], length: int) -> None:
        self._read = read
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._read())

    def __len__(self) -> int:
        return self._length
