"""Pages of noVNC, as files of a folder.

path ──▶ page_at() ──▶ Page(content type, bytes)      None for what is not there, or outside of it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
}
MISSING = b"noVNC is not here: install Debian's package novnc, or say where it is (novnc_folder).\n"


@dataclass(frozen=True, slots=True)
class Page:
    """One file."""

    content_type: str
    body: bytes


def page_at(folder: Path, path: str) -> Page | None:
    """Return the file of that path; only of the kinds that noVNC has."""
    parts = [part for part in unquote(path).split("/") if part]
    if not parts or any(part.startswith(".") or "\0" in part or "\\" in part for part in parts):
        return None
    file = folder.joinpath(*parts)
    content_type = TYPES.get(file.suffix.lower())
    try:
        if content_type is None or not file.is_file():
            return None
        return Page(content_type, file.read_bytes())
    except OSError:  # A name too long for any file, or a file that is nobody's business.
        return None
