"""Metadata on disk: what stock Swift reads, beyond ASCII its very bytes, and nothing but what was written."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt, OutOfSpace, Refused
from apus.object.files import metadata

# Written by stock Swift 2.38.3: diskfile.write_metadata on Python 3.
GOLDEN = (
    b"\x80\x02}q\x00(c_codecs\nencode\nq\x01X\x0b\x00\x00\x00X-Timestampq\x02X\x06\x00\x00\x00latin1q\x03\x86q"
    b"\x04Rq\x05h\x01X\x10\x00\x00\x001700000000.12345q\x06h\x03\x86q\x07Rq\x08h\x01X\x0c\x00\x00\x00"
    b"Content-Typeq\th\x03\x86q\nRq\x0bh\x01X\n\x00\x00\x00text/plainq\x0ch\x03\x86q\rRq\x0eh\x01X\x0e\x00\x00\x00"
    b"Content-Lengthq\x0fh\x03\x86q\x10Rq\x11h\x01X\x01\x00\x00\x000q\x12h\x03\x86q\x13Rq\x14h\x01X\x04\x00\x00\x00"
    b"ETagq\x15h\x03\x86q\x16Rq\x17h\x01X \x00\x00\x00d41d8cd98f00b204e9800998ecf8427eq\x18h\x03\x86q\x19Rq\x1ah"
    b"\x01X\x19\x00\x00\x00X-Object-Meta-Caf\xc3\x83\xc2\x83\xc3\x82\xc2\xa9q\x1bh\x03\x86q\x1cRq\x1dh\x01X\x0c"
    b"\x00\x00\x00\xc3\x83\xc2\x83\xc3\x82\xc2\xa9\xc3\x83\xc2\xbfq\x1eh\x03\x86q\x1fRq h\x01X\x13\x00\x00\x00"
    b"X-Object-Meta-Emptyq!h\x03\x86q\"Rq#c__builtin__\nbytes\nq$)Rq%h\x01X\x04\x00\x00\x00nameq&h\x03\x86q'Rq(h"
    b"\x01X\t\x00\x00\x00/a/c/\xc3\x83\xc2\xa9q)h\x03\x86q*Rq+u."
)
GOLDEN_CHECKSUM = b"b2b196f061e750f0130eb93534ce4f4c"
VALUES = {
    "X-Timestamp": "1700000000.12345",
    "Content-Type": "text/plain",
    "Content-Length": "0",
    "ETag": "d41d8cd98f00b204e9800998ecf8427e",
    "X-Object-Meta-Caf\xc3\xa9": "\xc3\xa9\xff",  # WSGI strings: UTF-8, and a byte that is none.
    "X-Object-Meta-Empty": "",
    "name": "/a/c/é",
}
PYTHON2 = b"\x80\x02}q\x01(U\x04nameq\x02U\x07/a/c/\xc3\xa9q\x03U\x0fX-Object-Meta-Aq\x04U\x02\xc3\xa9q\x05u."
ASCII_TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=300)
WSGI_TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)


def test_the_bytes_are_stock_swifts(tmp_path: Path) -> None:
    """We write what stock writes, attribute for attribute."""
    path = tmp_path / "file"
    path.touch()
    with path.open("r+b") as handle:
        metadata.write(handle.fileno(), VALUES)
    assert os.getxattr(path, "user.swift.metadata") == GOLDEN
    assert os.getxattr(path, "user.swift.metadata_checksum") == GOLDEN_CHECKSUM
    assert metadata.read(str(path)) == VALUES


def _read_by_stock(data: bytes) -> dict[str, str]:
    """Unpickle as stock Swift does: `_decode_metadata` in its diskfile module."""
    by_python3 = b"_codecs\nencode" in data[:32]

    def text(item: object, *, is_name: bool = False) -> str:
        if not by_python3 and isinstance(item, bytes) and not is_name:
            item = item.decode("latin-1")
        return item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else str(item)

    stored = pickle.loads(data, encoding="bytes")
    return {text(key): text(value, is_name=key == b"name") for key, value in stored.items()}


@given(
    st.dictionaries(WSGI_TEXT.filter(bool), WSGI_TEXT) | st.dictionaries(ASCII_TEXT.filter(bool), ASCII_TEXT),
    st.text(max_size=20),
)
def test_stock_swift_reads_what_we_write(values: dict[str, str], name: str) -> None:
    """Whichever of the two ways metadata is pickled in, stock finds it, and so do we."""
    content = {**values, "name": f"/a/c/{name}"}
    data = metadata.encode(content)
    assert _read_by_stock(data) == metadata.decode(data) == content


def test_ascii_is_pickled_as_text() -> None:
    """The usual metadata needs no function called for each of its strings, and half the room."""
    usual = {"X-Timestamp": "1700000000.12345", "name": "/a/c/o"}
    assert metadata.encode(usual) == pickle.dumps(usual, protocol=2)


def test_what_python_2_wrote_is_read() -> None:
    """Names are text, values the bytes that a client once sent."""
    assert metadata.decode(PYTHON2) == {"name": "/a/c/é", "X-Object-Meta-A": "Ã©"}


@given(st.dictionaries(WSGI_TEXT.filter(bool), WSGI_TEXT, max_size=8))
def test_any_header_bytes_come_back(values: dict[str, str]) -> None:
    """Whatever bytes a client puts into a header are stored and returned as they were."""
    assert metadata.decode(metadata.encode({**values, "name": "/a/c/ü"})) == {**values, "name": "/a/c/ü"}


def test_metadata_of_several_attributes_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata longer than one attribute is split and joined; a lost part is noticed."""
    monkeypatch.setattr(metadata, "CHUNK_BYTES", 100)
    path = str(tmp_path / "file")
    Path(path).touch()
    metadata.write(path, VALUES)  # type: ignore[arg-type]
    assert metadata.read(path) == VALUES
    os.removexattr(path, "user.swift.metadata3")
    with pytest.raises(Corrupt):
        metadata.read(path)


def test_damage_is_noticed(tmp_path: Path) -> None:
    """A flipped bit, a missing attribute and a pickle that wants to run something are all corrupt."""
    path = str(tmp_path / "file")
    Path(path).touch()
    with pytest.raises(Corrupt, match="no metadata"):
        metadata.read(path)
    os.setxattr(path, "user.swift.metadata", GOLDEN.replace(b"plain", b"plaim"))
    os.setxattr(path, "user.swift.metadata_checksum", GOLDEN_CHECKSUM)
    with pytest.raises(Corrupt, match="checksum"):
        metadata.read(path)
    os.removexattr(path, "user.swift.metadata_checksum")
    assert metadata.read(path)["Content-Type"] == "text/plaim"
    metadata.add_missing_checksum(path)
    assert metadata.read(path)["Content-Type"] == "text/plaim"
    for hostile in (
        pickle.dumps(os.getcwd),
        b"cos\nsystem\n(S'true'\ntR.",
        b"",
        pickle.dumps([1]),
        pickle.dumps({b"a": 1}),
        pickle.dumps({"a": 1}, protocol=2),
    ):
        with pytest.raises(Corrupt):
            metadata.decode(hostile)


def test_too_much_for_the_file_system_is_no_full_device(tmp_path: Path) -> None:
    """Where a file may not have so many attributes the request is refused; the device is not to blame."""
    refused = OSError(errno.ENOSPC, "No space left on device")
    with (tmp_path / "file").open("wb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "setxattr", _failing(refused))
        with pytest.raises(Refused, match="file systems allow"):
            metadata.write(file.fileno(), VALUES)
        patch.setattr(metadata, "ROOMY_BYTES", 1 << 62)
        with pytest.raises(OutOfSpace):
            metadata.write(file.fileno(), VALUES)


def _failing(problem: OSError) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise problem

    return fail
