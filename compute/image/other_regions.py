"""Images of other regions of the cloud, which the method glance-download brings here.

    token of who asks, region ──▶ catalogue of the identity service ──▶ that region's image service
        ──▶ what it says of the image, and its data

Where a region's image service is, only the catalogue says, which operators write: hence none of the rules for
addresses that users name. The token goes nowhere else, and no redirect is followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from ...common.errors import Refused, Unavailable
from .image import CONTAINER_FORMATS, DISK_FORMATS
from .web_fetch import Fetched

PIECE_BYTES = 1 << 20
ALGORITHM = "sha512"
FORMATS = {"disk_format": DISK_FORMATS, "container_format": CONTAINER_FORMATS}
COPIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
"""How properties begin that belong to an image's data, and come along with it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image of another region, as somebody asks for it."""

    image_id: str
    region: str
    interface: str
    token: str


@dataclass(frozen=True, slots=True)
class OtherRegions:
    """The image services of all regions."""

    identity_url: str
    timeout_seconds: float

    @contextmanager
    def opened(self, wanted: Wanted) -> Iterator[tuple[dict[str, Any], Fetched]]:
        """Open an image's data; return what is said of the image, and the data.

        Raises:
            Refused: there is no such region, no such image for who asks, or it has no data.
            Unavailable: a service doesn't answer, or breaks off.
        """
        place = f"{self._image_service(wanted)}/v2/images/{wanted.image_id}"
        with self._asked(place, wanted.token) as answer:
            document = _object(answer)
        if document.get("status") != "active":
            raise Refused("the image of the other region is not active")
        with self._asked(f"{place}/file", wanted.token) as answer:
            length = answer.headers.get("Content-Length", "")
            pieces = _verified(_pieces(answer), document)
            yield document, Fetched(int(length) if length.isdigit() else None, pieces)

    def _image_service(self, wanted: Wanted) -> str:
        """Return the URL of a region's image service."""
        with self._asked(f"{self.identity_url.rstrip('/')}/v3/auth/catalog", wanted.token) as answer:
            catalog = _object(answer).get("catalog") or []
        for service in catalog:
            for endpoint in service.get("endpoints", ()) if service.get("type") == "image" else ():
                place = (endpoint.get("region_id"), endpoint.get("interface"))
                if place == (wanted.region, wanted.interface):
                    return str(endpoint["url"]).rstrip("/").removesuffix("/v2")
        raise Refused(f"the catalogue has no {wanted.interface} image service in the region {wanted.region}")

    @contextmanager
    def _asked(self, url: str, token: str) -> Iterator[requests.Response]:
        try:
            answer = requests.get(
                url,
                headers={"X-Auth-Token": token, "Accept-Encoding": "identity"},
                timeout=self.timeout_seconds,
                stream=True,
                allow_redirects=False,
            )
        except requests.RequestException as problem:
            raise Unavailable(f"the other region does not answer: {type(problem).__name__}") from problem
        with answer:
            if answer.status_code >= 500:
                raise Unavailable(f"the other region answered {answer.status_code}")
            if answer.status_code != 200:
                raise Refused(f"the other region answered {answer.status_code}")
            yield answer


def copied(document: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return of what is said of an image its formats, and the properties that come along.

    Raises:
        Refused: a format is not known here.
    """
    formats = {name: str(document.get(name)) for name in FORMATS}
    for name, value in formats.items():
        if value not in FORMATS[name]:
            raise Refused(f"the image of the other region has the {name} {value!r}, which is not known here")
    properties = {
        name: value for name, value in document.items() if name.startswith(COPIED) and isinstance(value, str)
    }
    return formats, properties


def _verified(pieces: Iterator[bytes], document: Mapping[str, Any]) -> Iterator[bytes]:
    """Pass the data on; raise Refused at their end where they are not what is said of the image."""
    digest = hashlib.new(ALGORITHM)
    for piece in pieces:
        digest.update(piece)
        yield piece
    if document.get("os_hash_algo") == ALGORITHM and document.get("os_hash_value") != digest.hexdigest():
        raise Refused("the data of the other region's image do not have its hash; ask for it again")


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError as problem:
        raise Refused("the other region answered with something that is not JSON") from problem
    if not isinstance(document, dict):
        raise Refused("the other region answered with something that is no JSON object")
    return document


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(PIECE_BYTES)
    except requests.RequestException as problem:
        raise Unavailable(f"the other region broke off: {type(problem).__name__}") from problem
