"""Laws of decrypting a body as it passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.ranges import Multipart
from apus.proxy.middleware.encryption.body import DecryptedBody, decryption_of
from apus.proxy.middleware.encryption.cipher import CannotDecrypt, counter_mode

KEY = bytes(range(32))
ivs = st.binary(min_size=16, max_size=16) | st.just(b"\xff" * 16)  # A counter that is about to run over.


@st.composite
def ranged(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]]]:
    """A body and ranges of it."""
    body = draw(st.binary(min_size=1, max_size=500))
    spans = []
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(body) - 1))
        spans.append((start, draw(st.integers(start + 1, len(body)))))
    return body, spans


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(ranged(), ivs, st.integers(1, 100))
def test_a_range_decrypted_is_that_range_of_what_was_encrypted(
    content: tuple[bytes, list[tuple[int, int]]], iv: bytes, size: int
) -> None:
    """However the bytes arrive."""
    body, [(start, end), *_] = content
    stored = counter_mode(KEY, iv).update(body)
    headers = {"content-range": f"bytes {start}-{end - 1}/{len(body)}"}
    how = decryption_of(206, headers, KEY, iv)
    assert b"".join(DecryptedBody(in_pieces(stored[start:end], size), how)) == body[start:end]
    whole = decryption_of(200, {}, KEY, iv)
    assert b"".join(DecryptedBody(in_pieces(stored, size), whole)) == body


@given(ranged(), ivs, st.integers(1, 100))
def test_several_ranges_keep_their_frame(
    content: tuple[bytes, list[tuple[int, int]]], iv: bytes, size: int
) -> None:
    """Only the object's bytes change, in each part from where it begins, and no byte more or less comes out."""
    body, spans = content
    stored = counter_mode(KEY, iv).update(body)
    frame = Multipart(spans, len(body), "text/plain", "a" * 32)

    def framed(data: bytes) -> bytes:
        parts = [frame.opening(span) + data[span[0] : span[1]] + b"\r\n" for span in spans]
        return b"".join((*parts, frame.closing))

    how = decryption_of(206, {"content-type": frame.header}, KEY, iv)
    assert b"".join(DecryptedBody(in_pieces(framed(stored), size), how)) == framed(body)


def test_a_part_that_does_not_say_what_it_holds_is_not_guessed() -> None:
    """Decrypted from a wrong offset it would be nonsense."""
    how = decryption_of(206, {"content-type": "multipart/byteranges;boundary=x"}, KEY, bytes(16))
    with pytest.raises(CannotDecrypt):
        how.take(b"--x\r\nContent-Type: a/b\r\n\r\n")
    with pytest.raises(CannotDecrypt):
        decryption_of(206, {}, KEY, bytes(16))


def test_the_body_is_let_go() -> None:
    """Whoever closes ours closes what it is made of."""
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    DecryptedBody(Body(), decryption_of(200, {}, KEY, bytes(16))).close()
    assert closed == [True]
