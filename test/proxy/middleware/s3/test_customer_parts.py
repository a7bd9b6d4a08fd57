"""Objects of parts that are encrypted with a key that the client keeps."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.encryption.cipher import CannotDecrypt, counter_mode
from apus.proxy.middleware.inner import Reply
from apus.proxy.middleware.s3.customer_keys import CustomerKey
from apus.proxy.middleware.s3.customer_parts import Part, Parts, Place, decrypted, mark
from apus.proxy.middleware.s3.errors import S3Error

SECRET = b"k" * 32


def iv_of(part: Part) -> bytes:
    return part.path.encode().ljust(16, b".")


def parts_of(bodies: list[bytes]) -> tuple[list[Part], bytes]:
    """Return parts, and what is stored of them one after another."""
    parts = [Part(f"/{number}", len(body)) for number, body in enumerate(bodies)]
    stored = [
        counter_mode(SECRET, iv_of(part)).update(body) for part, body in zip(parts, bodies, strict=True)
    ]
    return parts, b"".join(stored)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50), st.data())
def test_a_range_is_decrypted_wherever_it_begins(
    bodies: list[bytes], piece: int, data: st.DataObject
) -> None:
    """Over all borders, in whatever pieces; only the parts are asked that it touches."""
    parts, stored = parts_of(bodies)
    first = data.draw(st.integers(0, len(stored)))
    last = data.draw(st.integers(first, len(stored)))
    asked: list[Part] = []

    def begin(part: Part) -> bytes:
        asked.append(part)
        return iv_of(part)

    decryption = Parts(SECRET, parts, first, begin)
    pieces = [stored[at : min(at + piece, last)] for at in range(first, last, piece)]
    assert b"".join(map(decryption.take, pieces)) == b"".join(bodies)[first:last]
    ends = list(accumulate(part.size for part in parts))
    touched = [
        part
        for part, end in zip(parts, ends, strict=True)
        if part.size and end > first and end - part.size < last
    ]
    assert asked == (touched if last > first else [])


def test_more_bytes_than_the_parts_have_are_no_objects() -> None:
    """They are never taken for something else."""
    parts, stored = parts_of([b"one", b"two"])
    with pytest.raises(CannotDecrypt):
        Parts(SECRET, parts, 0, iv_of).take(stored + b"!")


def test_what_cannot_be_decrypted_is_never_shown_as_if_it_were() -> None:
    """A copy by the store's own API is one object, which does not know any more where its parts were."""
    key = CustomerKey(SECRET, "")
    reply = Reply(200, {"x-object-sysmeta-s3api-upload-id": "u"}, [b"the parts' bytes"])
    with pytest.raises(S3Error, match="InvalidRequest"):
        decrypted(lambda *_: [], {}, Place("a", "c", "k", {}), reply, key, bytes(16))


def test_a_mark_knows_its_key_and_tells_nothing_of_it() -> None:
    """Two of the same key are different."""
    key, other = CustomerKey(SECRET, ""), CustomerKey(b"o" * 32, "")
    marks = {mark(key), mark(key)}
    assert len(marks) == 2
    assert all(key.opened(each) and other.opened(each) is None for each in marks)
