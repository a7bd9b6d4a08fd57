"""Laws of carrying on a broken download."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.resume import Progress

VERSION = {"Etag": '"abc"', "X-Timestamp": "1700000000.00000"}


@given(st.integers(1, 10_000), st.data())
def test_pieces_join_to_the_whole(size: int, data: st.DataObject) -> None:
    """However often it breaks off, the ranges asked for join without gap or overlap."""
    progress = Progress.begin(200, {**VERSION, "Content-Length": str(size)})
    assert progress is not None
    at = 0
    while progress.remaining:
        progress.sent += data.draw(st.integers(0, progress.remaining))
        at = progress.sent
        if not progress.remaining:
            break
        first, last = progress.next_range().removeprefix("bytes=").split("-")
        assert (int(first), int(last)) == (at, size - 1)
        answer = {**VERSION, "Content-Range": f"bytes {first}-{last}/{size}"}
        assert progress.is_continued_by(206, answer)
        progress.sent += 1
    assert progress.sent == size


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_range_goes_on_inside_itself(first: int, length: int, sent: int) -> None:
    """A 206 is carried on up to its own last byte, not to the object's."""
    last = first + length
    headers = {**VERSION, "Content-Range": f"bytes {first}-{last}/1000"}
    progress = Progress.begin(206, headers)
    assert progress is not None
    progress.sent = min(sent, length)
    assert progress.next_range() == f"bytes={first + progress.sent}-{last}"


def test_another_version_does_not_carry_on() -> None:
    """Another etag, timestamp, size or place in the file is refused: half old, half new is neither."""
    progress = Progress.begin(200, {**VERSION, "Content-Length": "10"})
    assert progress is not None
    progress.sent = 4
    right = {**VERSION, "Content-Range": "bytes 4-9/10"}
    assert progress.is_continued_by(206, right)
    assert not progress.is_continued_by(200, right)
    assert not progress.is_continued_by(206, {**right, "Etag": "abd"})
    assert not progress.is_continued_by(206, {**right, "X-Timestamp": "1700000001.00000"})
    assert not progress.is_continued_by(206, {**right, "Content-Range": "bytes 5-9/10"})
    assert not progress.is_continued_by(206, {**right, "Content-Range": "bytes 4-9/11"})
    assert not progress.is_continued_by(206, VERSION)


def test_what_has_no_single_piece_cannot_be_resumed() -> None:
    """Multipart answers and answers without a length have no Progress."""
    assert Progress.begin(206, {**VERSION, "Content-Type": "multipart/byteranges"}) is None
    assert Progress.begin(200, VERSION) is None
