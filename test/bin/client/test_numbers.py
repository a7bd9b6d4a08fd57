"""Sizes, spans and instants as people write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apus.bin.client.differences import MTIME_NANOSECONDS_APART_MAX
from apus.bin.client.numbers import human, instant_read, instant_written, short, size_of, span_of
from apus.common.errors import Refused


@pytest.mark.parametrize(
    ("text", "size"),
    [("5000", 5000), ("5B", 5), ("64K", 65536), ("1.5M", 1572864), ("2g", 2 << 30), ("1MiB", 1 << 20)],
)
def test_a_size_is_read(text: str, size: int) -> None:
    """Units are powers of 1024, as for `swift`."""
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "-1", "M", "5X", "1 2", "nan"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Never taken for something else."""
    with pytest.raises(Refused):
        size_of(text)
    with pytest.raises(Refused):
        span_of(text or "x")


def test_spans_are_read() -> None:
    """Seconds, or with a unit."""
    assert (span_of("90"), span_of("15m"), span_of("2h"), span_of("1d")) == (90, 900, 7200, 86400)


@given(st.integers(-(1 << 60), 1 << 62))
def test_a_time_comes_back_to_the_microsecond(nanoseconds: int) -> None:
    """What X-Object-Meta-Mtime carries is the file's time, rounded to six decimals."""
    back = instant_read(instant_written(nanoseconds / 1e9))
    assert back is not None
    assert abs(back - nanoseconds) < MTIME_NANOSECONDS_APART_MAX


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose times are set."""
    path = tmp_path_factory.mktemp("times") / "file"
    path.touch()
    return path


@settings(deadline=None)
@given(st.integers(-(1 << 30), 1 << 32), st.integers(0, 999_999_999))
@example(1_700_000_000, 123_456_500)
@example(1_700_000_000, 999_999_999)
def test_a_files_time_is_written_as_swift_writes_it(file: Path, seconds: int, nanoseconds: int) -> None:
    """Segments' names hold it: a digit less, and neither command finds what the other sent."""
    os.utime(file, ns=(0, seconds * 1_000_000_000 + nanoseconds))
    swifts = "%f" % os.path.getmtime(file)  # noqa: UP031 (python-swiftclient's own words)
    assert instant_written(file.stat().st_mtime) == swifts


@given(st.text())
def test_any_header_is_a_time_or_none(text: str) -> None:
    """Somebody else's metadata breaks nothing."""
    assert instant_read(text) is None or isinstance(instant_read(text), int)


def test_sizes_for_people() -> None:
    """As `ls -lh` and as a sentence."""
    assert (short(312), short(1434), short(20 << 20)) == ("312", "1.4K", "20M")
    assert (human(312), human(20 << 20)) == ("312 B", "20.0 MiB")
