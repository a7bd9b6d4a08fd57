"""Folders of real files to upload, and the fingerprint that tells whether they came back whole.

plant(folder) ──▶ odd names and big files    digests(folder) ──▶ {relative name: (size, md5)}
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sysconfig
import unicodedata
from pathlib import Path

ODD_NAMES = (
    "a name with spaces.txt",
    " leading and trailing ",
    "100% sure.txt",
    "percent%20encoded%2Fslash",
    "plus+and&ampersand=equals?question#hash",
    "semi;colon,comma",
    "quote'double\"quote",
    "back\\slash",
    "new\nline.txt",
    "tab\there",
    "umlaut ä ö ü ß.txt",
    unicodedata.normalize("NFC", "é composed"),
    unicodedata.normalize("NFD", "é decomposed"),
    "日本語/ファイル.txt",
    "emoji 🪶.bin",
    "..dots",
    "dot.",
    "-dash",
    "~tilde",
    "folder with space/sub%folder/file+name",
    "x" * 200,
)
_PIECE = 1 << 20
_NEVER = ("__pycache__", "site-packages", "dist-packages")
_TESTS = ("test", "tests", "idlelib", "lib2to3", "config-*")


def standard_library(folder: Path, *, whole: bool) -> Path:
    """Copy Python's own library to the folder: thousands of files, or some hundreds without its tests."""
    source = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns(*_NEVER, *(() if whole else _TESTS))
    shutil.copytree(source, folder, ignore=ignored, symlinks=False, ignore_dangling_symlinks=True)
    return folder


def odd_names(folder: Path, names: tuple[str, ...] = ODD_NAMES) -> Path:
    """Fill the folder with small files whose names are trouble."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"file {number}\n".encode() * (number + 1))
    return folder


def big_file(path: Path, size_bytes: int, seed: int = 0) -> Path:
    """Write a file of that size that does not repeat itself."""
    rng = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        for start in range(0, size_bytes, _PIECE):
            handle.write(rng.randbytes(min(_PIECE, size_bytes - start)))
    return path


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    """What is in the folder: size and MD5 by relative name."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "md5").hexdigest()
            found[str(path.relative_to(folder))] = (path.stat().st_size, digest)
    return found
