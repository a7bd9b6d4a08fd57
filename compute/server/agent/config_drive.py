"""The config drive: an ISO 9660 image labelled config-2 with the documents of `documents.py`.

{path: bytes} ──▶ iso_of() ──▶ bytes of the image
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import pycdlib

LABEL = "config-2"


def iso_of(files: Mapping[str, bytes]) -> bytes:
    """Return the image; names are kept as they are by Rock Ridge and Joliet."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=4, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    folders: set[str] = set()
    for path, data in sorted(files.items()):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/" + "/".join(parts[:depth])
            if folder not in folders:
                iso.add_directory(folder, rr_name=parts[depth - 1], joliet_path=folder)
                folders.add(folder)
        iso.add_fp(io.BytesIO(data), len(data), f"/{path}", rr_name=parts[-1], joliet_path=f"/{path}")
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return written.getvalue()
