"""A disk made of an image, and an image made of a disk.

    raw, blocks in our layer ──▶ another map of them        raw, elsewhere ──▶ a stream into blocks
    qcow2, vmdk, vdi, … ──▶ a file ──qemu-img──▶ raw ──▶ blocks        and the other way round

Of formats that can refer to other files only those images are opened that do not.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ....common.errors import Refused, Unavailable
from ..disks import GIB, Place
from ..jobs import Job
from ..office import Office

RAW_FORMATS = frozenset(("raw", "iso", "ami", "aki", "ari"))
CONVERTED_FORMATS = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
"""Formats of images and qemu-img's names for them."""
PIECE_BYTES = 4 * 1024 * 1024
CONVERSION_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ImageDisk:
    """What a job must know of the image it reads."""

    id: str
    disk_format: str
    map: Place | None


def image_disk(job: Job) -> ImageDisk:
    """Return the image that a job was ordered with."""
    place = job.state.get("image_map")
    return ImageDisk(
        job.state["image_id"], job.state["disk_format"], None if place is None else Place(*place)
    )


def make_from_image(office: Office, image: ImageDisk, target: Place, size: int) -> None:
    """Make a disk of so many bytes that begins with the image.

    Raises:
        Refused: the image is larger, or of a format that is not opened here.
    """
    if image.disk_format in RAW_FORMATS:
        if image.map is not None:
            if office.disks.size(image.map) > size:
                raise Refused(_too_large(size))
            office.disks.copy(image.map, to=target, size=size)
        else:
            office.disks.write(target, office.images.data(image.id), size)
        return
    qemu_format = CONVERTED_FORMATS.get(image.disk_format)
    if qemu_format is None:
        raise Refused(f"An image of the format {image.disk_format} cannot become a volume.")
    with tempfile.TemporaryDirectory(prefix="apus-volume-") as folder:
        packed, raw = Path(folder, "image"), Path(folder, "raw")
        with packed.open("wb") as file:
            file.writelines(office.images.data(image.id))
        check_alone(packed, qemu_format, size)
        _qemu_img("convert", "-f", qemu_format, "-O", "raw", str(packed), str(raw))
        packed.unlink()
        office.disks.write(target, _pieces(raw), size)


def upload_packed(office: Office, source: Place, image_id: str, disk_format: str) -> None:
    """Send a disk to the image service in one of CONVERTED_FORMATS; the file is made on this host first.

    Raises:
        Refused: qemu-img is not there, or cannot do it.
        Unavailable: the image service or the store does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="apus-volume-") as folder:
        raw, packed = Path(folder, "raw"), Path(folder, "image")
        with raw.open("wb") as file:
            for piece in office.disks.read(source):
                if piece.count(0) == len(piece):
                    file.seek(len(piece), os.SEEK_CUR)  # A hole.
                else:
                    file.write(piece)
            file.truncate(office.disks.size(source))
        _qemu_img("convert", "-f", "raw", "-O", CONVERTED_FORMATS[disk_format], str(raw), str(packed))
        raw.unlink()
        office.images.upload(image_id, lambda: _pieces(packed), packed.stat().st_size)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def check_alone(file: Path, qemu_format: str, size: int) -> None:
    """Refuse an image that refers to other files, or unpacks to more than the volume holds."""
    facts = json.loads(_qemu_img("info", "--output=json", "-f", qemu_format, str(file)))
    details = (facts.get("format-specific") or {}).get("data") or {}
    extents = details.get("extents") or []
    foreign = [extent for extent in extents if extent.get("filename") not in (None, str(file))]
    if facts.get("backing-filename") or details.get("data-file") or foreign:
        raise Refused("The image refers to other files; such images are not opened.")
    if facts["virtual-size"] > size:
        raise Refused(_too_large(size))


def _qemu_img(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["qemu-img", *arguments], capture_output=True, text=True, timeout=CONVERSION_SECONDS, check=False
        )
    except FileNotFoundError as problem:
        raise Refused("Images of this format need qemu-img on the volume service's host.") from problem
    except subprocess.TimeoutExpired as problem:
        raise Unavailable("qemu-img did not end in time") from problem
    if done.returncode:
        raise Refused(f"The image cannot be read: {done.stderr.strip()[-300:]}")
    return done.stdout


def _too_large(size: int) -> str:
    return f"The image is larger than the volume of {size // GIB} GiB."
