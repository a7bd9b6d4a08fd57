"""Archives from strangers: read as they arrive, in bounded memory, and refused when they are not what they say."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apus.proxy.middleware.bulk import archive
from apus.proxy.middleware.bulk.archive import Archive, BadArchive, headers_of, pax_records

FORMS = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=150).filter(
    lambda name: name.strip("/.") and not name.endswith("/")
)


class Trickle(io.BytesIO):
    """A source that never gives all that is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 100) if size is not None and size > 0 else size)


def made(members: dict[str, bytes], form: str = "tar", **options: Any) -> bytes:
    """An archive of the standard library's."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=FORMS[form], **options) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return held.getvalue()


def read(data: bytes, form: str = "tar", *, skipped_bytes_max: int = 1 << 20) -> dict[str, bytes]:
    """Everything in an archive."""
    members = Archive(Trickle(data), form, skipped_bytes_max=skipped_bytes_max)
    return {member.name: b"".join(iter(members.read, b"")) for member in members}


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=5),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_what_goes_in_comes_out(members: dict[str, bytes], form: str, kind: int) -> None:
    """In every form, whatever the names are."""
    members = {name.lstrip("/"): content for name, content in members.items()}
    assert read(made(members, form, format=kind), form) == members


def test_only_files_come_out() -> None:
    """Folders, links and devices are passed over; a hard link has no bytes of its own."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"odd-{kind.decode()}")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("file")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    assert read(held.getvalue()) == {"file": b"abc"}


def test_unread_members_are_skipped() -> None:
    """Whoever doesn't want one goes on to the next."""
    data = made({"a": b"x" * 100000, "b": b"y"}, "tar.gz")
    members = Archive(io.BytesIO(data), "tar.gz", skipped_bytes_max=1 << 20)
    assert [member.name for member in members] == ["a", "b"]


def test_several_compressed_streams_are_one() -> None:
    """As `cat a.gz b.gz` and parallel compressors make them."""
    data = made({"a": b"x" * 3000})
    assert read(gzip.compress(data[:1500]) + gzip.compress(data[1500:]), "tar.gz") == {"a": b"x" * 3000}
    assert read(bz2.compress(data[:1500]) + bz2.compress(data[1500:]), "tar.bz2") == {"a": b"x" * 3000}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_what_breaks_off_is_an_error(form: str) -> None:
    """Nothing that is cut short is taken for whole."""
    data = made({"a": bytes(range(256)) * 40}, form)
    for length in range(1, len(data) - (11000 if form == "tar" else 1), 97):
        with pytest.raises(BadArchive):
            read(data[:length], form)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.sampled_from(sorted(FORMS)))
def test_rubbish_is_an_error(data: bytes, form: str) -> None:
    """And nothing worse."""
    try:
        read(data, form)
    except BadArchive:
        pass


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4000), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused(position: int, value: int) -> None:
    """Whatever byte is wrong."""
    data = bytearray(made({"a" * 120: b"x" * 700, "b": b"y"}, format=tarfile.PAX_FORMAT))
    data[position % len(data)] = value
    try:
        read(bytes(data))
    except BadArchive:
        pass


def header(kind: bytes, size: int) -> bytes:
    """A header that announces so many bytes."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def with_checksums(blocks: bytes) -> bytes:
    """The same, headers' sums put right."""
    fixed = b""
    for place in range(0, len(blocks), 512):
        block = blocks[place : place + 512]
        if block[257:262] == b"ustar":
            block = block[:148] + b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:])) + block[156:]
        fixed += block
    return fixed


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"X"])
def test_trap_39_headers_do_not_fill_the_memory(kind: bytes) -> None:
    """Neither one that is large, nor many that are small."""
    bomb = gzip.compress(header(kind, 1 << 33) + bytes(1 << 22))
    with pytest.raises(BadArchive, match="headers"):
        read(bomb, "tar.gz")
    small = header(kind, 512 * 200) + bytes(512 * 200)
    with pytest.raises(BadArchive, match="headers"):
        read(small * 11)


def test_trap_39_a_bomb_is_expanded_piece_by_piece() -> None:
    """No piece is larger than was asked for; what nobody stores has a bound; what follows the end is left alone."""
    data = made({"a": bytes(1 << 24)}, "tar.gz")
    members = Archive(io.BytesIO(data), "tar.gz", skipped_bytes_max=1 << 20)
    next(iter(members))
    assert len(members.read(1 << 24)) <= 1 << 16
    with pytest.raises(BadArchive, match="too much"):
        for _ in Archive(io.BytesIO(data), "tar.gz", skipped_bytes_max=1 << 20):
            pass
    behind = gzip.compress(made({"a": b"x"}) + bytes(1 << 26))
    assert read(behind, "tar.gz") == {"a": b"x"}


def test_trap_39_headers_of_all_members_do_not_fill_the_memory() -> None:
    """They stay until the archive's end, so together they have a bound: other keys each time don't help."""
    bomb = b""
    for number in range(100):
        record = b"%02d=%s\n" % (number, b"x" * 980)
        record = b"%d %s" % (len(record) + 4, record)
        assert record.startswith(b"%d " % len(record))
        bomb += header(b"g", len(record)) + record.ljust(1024, b"\0") + header(b"5", 0)
    with pytest.raises(BadArchive, match="headers of all members"):
        read(gzip.compress(bomb), "tar.gz")


@pytest.mark.parametrize("form", ["tar.gz", "tar.bz2"])
@pytest.mark.parametrize(
    "idle",
    [
        header(b"5", 0),
        header(b"x", 0),
        header(b"x", 1 << 10) + bytes(1 << 10),
        header(b"Z", 1 << 16) + bytes(1 << 16),
        header(b"S", 0)[:482] + b"\1" + header(b"S", 0)[483:] + (bytes(504) + b"\1" + bytes(7)) * 100,
    ],
    ids=["folders", "headers", "longer headers", "of no known kind", "maps of holes"],
)
def test_trap_39_what_holds_no_file_has_a_bound(
    form: str, idle: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kilobyte on the wire can be gigabytes of it, which nobody has been asked a token for."""
    monkeypatch.setattr(archive, "IDLE_BYTES_MAX", 1 << 17)
    pack = gzip.compress if form == "tar.gz" else bz2.compress
    with pytest.raises(BadArchive):
        read(pack(with_checksums(idle) * 400 + made({"a": b"x"})), form)
    kept = with_checksums(header(b"5", 0) * 100 + made({"a": b"x"})[:1024])
    assert read(pack(kept * 10), form) == {"a": b"x"}


def test_trap_39_others_have_their_turn_while_a_bomb_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little of it comes over the wire."""
    turns: list[None] = []
    monkeypatch.setattr(archive, "sleep", lambda: turns.append(None))
    assert read(gzip.compress(header(b"5", 0) * 4000 + made({"a": b"x"})), "tar.gz") == {"a": b"x"}
    assert len(turns) >= 4000 * 512 // archive.PIECE_BYTES


def test_sparse_files_are_recognised() -> None:
    """Their holes are not in the archive, so their bytes are not the file's."""
    data = header(b"S", 0) + bytes(1024)
    assert [member.is_sparse for member in Archive(io.BytesIO(data), "tar", skipped_bytes_max=0)] == [True]


def test_attributes_become_headers() -> None:
    """As GNU tar and BSD tar write them; the plain one of both counts."""
    attributes = {
        "SCHILY.xattr.user.mime_type": "text/x",
        "LIBARCHIVE.xattr.user.mime_type": "dGV4dC94",
        "SCHILY.xattr.user.meta.Lunch": "burger",
        "LIBARCHIVE.xattr.user.meta.dinner": "ziti",
        "SCHILY.xattr.user.stuff": "no",
        "mtime": "1",
    }
    assert dict(headers_of(attributes)) == {
        "Content-Type": "text/x",
        "X-Object-Meta-Lunch": "burger",
        "X-Object-Meta-dinner": "ziti",
    }


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "=" not in key and "\0" not in key), st.text()))
def test_pax_records_are_read(records: dict[str, str]) -> None:
    """Lengths count themselves; values hold anything."""
    data = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode("utf-8", "surrogatepass")
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        data += str(length).encode() + rest
    assert len(pax_records(data)) == len(records)


@pytest.mark.parametrize(
    "data", [b"x", b"5 a=b", b"99 a=b\n", b"0 a=b\n", b"7 abcd\n", b"-1 a=b\n", b"1" * 30 + b" a=b\n"]
)
def test_damaged_pax_records_are_refused(data: bytes) -> None:
    """Lengths that lead nowhere, and lines that are no records."""
    with pytest.raises(BadArchive):
        pax_records(data)
