"""The data of images: up, down, staged, and by reference to the block layer.

PUT, GET /v2/images/{id}/file        PUT /v2/images/{id}/stage        GET, POST /v2/images/{id}/locations
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from webob import Response

from ...common.errors import ApusError, Missing
from ...common.ranges import choose, content_range
from ..api.call import Call
from ..api.faults import (
    BadRequest,
    Forbidden,
    NotFound,
    RangeUnsatisfiable,
    Unavailable,
    UnsupportedMedia,
)
from ..api.reply import answer, empty, stream
from ..api.routing import served
from .access import may_download
from .desk import Desk
from .image import HAS_DATA, Image
from .intake import Intake
from .views import STORE, image_document

PIECE_BYTES = 1 << 20
OCTETS = "application/octet-stream"
_LOCATION = re.compile(r"apus-block:([A-Za-z0-9._-]+)/([A-Za-z0-9._-]+)", re.ASCII)


class Data:
    """What images are made of."""

    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._desk = desk
        self._intake = intake

    @served("PUT", "/v2/images/{image_id}/file")
    def uploaded(self, call: Call, image_id: str) -> Response:
        """Data for a queued image, which is active then."""
        size = self._prepared(call, image_id)
        self._intake.upload(image_id, _pieces(call, size), size)
        return empty(204)

    @served("PUT", "/v2/images/{image_id}/stage")
    def staged(self, call: Call, image_id: str) -> Response:
        """Data for a queued image, which an import is to look at."""
        size = self._prepared(call, image_id)
        self._intake.stage(image_id, _pieces(call, size), size)
        return empty(204)

    def _prepared(self, call: Call, image_id: str) -> int | None:
        """Judge a request that brings data and return how many bytes it announces."""
        self._desk.owned(call, image_id)
        if (call.request.headers.get("Content-Type") or OCTETS).partition(";")[0].strip() != OCTETS:
            raise UnsupportedMedia(f"Data of images is sent as {OCTETS}.")
        if (call.request.headers.get("X-Image-Meta-Store") or STORE) != STORE:
            raise BadRequest(f"There is one store, and its name is {STORE}.")
        length: int | None = call.request.content_length
        if call.request.headers.get("Transfer-Encoding"):
            length = None
        said = call.request.headers.get("X-Openstack-Image-Size")
        if said is None:
            return length
        if not re.fullmatch(r"[0-9]{1,18}", said) or (length is not None and int(said) != length):
            raise BadRequest("X-Openstack-Image-Size is not the number of bytes of the body.")
        return int(said)

    @served("GET HEAD", "/v2/images/{image_id}/file")
    def downloaded(self, call: Call, image_id: str) -> Response:
        """An image's data, or one range of it; 204 while there is none."""
        caller, image = self._desk.seen(call, image_id)
        if not may_download(caller, image):
            raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
        if image.status not in HAS_DATA:
            return empty(204)
        try:
            disk = self._desk.shelf.map_of(image)
        except Missing as problem:
            raise NotFound(f"The data of image {image_id} is not there.") from problem
        except ApusError as problem:
            raise Unavailable(f"The store does not answer; try again later: {problem}") from problem
        headers = {"Accept-Ranges": "bytes"}
        spans = choose(call.request.headers.get("Range"), disk.size)
        if spans is None:
            if image.checksum:
                headers["Content-MD5"] = image.checksum
            pieces = self._first_read(image, 0, disk.size)
            return stream(200, pieces, disk.size, headers)
        if len(spans) != 1:
            raise RangeUnsatisfiable(
                "One range within the image's data is served.",
                headers={"Content-Range": f"bytes */{disk.size}"},
            )
        begin, end = spans[0]
        headers["Content-Range"] = content_range(spans[0], disk.size)
        return stream(206, self._first_read(image, begin, end - begin), end - begin, headers)

    def _first_read(self, image: Image, start: int, length: int) -> Iterator[bytes]:
        """Return the pieces; the first one is there, so that a store that fails at once is a 503."""
        pieces = self._desk.shelf.read(image, self._desk.shelf.map_of(image), start, length)
        try:
            first = next(pieces, b"")
        except Missing as problem:
            raise NotFound(f"The data of image {image.id} is not there.") from problem
        except ApusError as problem:
            raise Unavailable(f"The image's data cannot be read now: {problem}") from problem
        return _Joined(first, pieces)

    @served("GET HEAD", "/v2/images/{image_id}/locations")
    def located(self, call: Call, image_id: str) -> Response:
        """Where an image's map is, for services that read the block layer themselves."""
        image = self._desk.told(call, image_id)
        if image.status not in HAS_DATA:
            return answer(200, [])
        where = f"apus-block:{image.map_project}/{image.map_id}"
        return answer(200, [{"url": where, "metadata": {"store": STORE}}])

    @served("POST", "/v2/images/{image_id}/locations")
    def placed(self, call: Call, image_id: str) -> Response:
        """Data by reference: a map that another service has made becomes an image's, without being moved."""
        self._desk.told(call, image_id)
        found = _LOCATION.fullmatch(str(call.json("url")["url"]))
        if found is None:
            raise BadRequest("A location is apus-block:PROJECT/MAP.")
        image = self._intake.adopt(image_id, found[1], found[2])
        return answer(202, image_document(image))


class _Joined(Iterator[bytes]):
    """A piece that was read already, and the rest; closing it closes the rest."""

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._all = itertools.chain((first,) if first else (), rest)
        self._rest = rest

    def __next__(self) -> bytes:
        return next(self._all)

    def close(self) -> None:
        """Let go of what was fetched ahead."""
        close = getattr(self._rest, "close", None)
        if close is not None:
            close()


def _pieces(call: Call, size: int | None) -> Iterator[bytes]:
    """Yield the body; it is never longer than announced."""
    body = call.request.body_file_raw if size is None else call.request.body_file
    while piece := body.read(PIECE_BYTES):
        yield piece
