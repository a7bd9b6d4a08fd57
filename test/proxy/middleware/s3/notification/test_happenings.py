"""Entries of the log, where they stand, and what is told of them."""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt
from apus.common.timestamp import Timestamp
from apus.proxy.middleware.s3.notification import happenings, messages, queues
from apus.proxy.middleware.s3.notification.happenings import Happening
from apus.proxy.middleware.s3.notification.targets import Target

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
MOMENTS = st.builds(Timestamp, st.integers(0, 3 * 10**14), st.integers(0, 3))
HAPPENINGS = st.builds(
    Happening,
    event=st.sampled_from(("ObjectCreated:Put", "ObjectRemoved:Delete")),
    moment=MOMENTS,
    account=WORDS,
    bucket=WORDS,
    key=WORDS,
    rule=WORDS,
    is_settled=st.booleans(),
    size=st.none() | st.integers(0, 2**50),
    etag=st.sampled_from(("", "d41d8cd98f00b204e9800998ecf8427e")),
    version_id=st.sampled_from(("", "1700000000.00000")),
)


@given(HAPPENINGS)
def test_what_is_written_is_read(happening: Happening) -> None:
    """Whatever clients call their things."""
    text = happenings.written(happening)
    assert happenings.read(text) == happening
    assert ";" not in text  # Container servers take what stands behind one for a parameter.
    assert text.isascii()
    assert text.isprintable()


def test_a_row_fits_a_header_line() -> None:
    """The longest key, of bytes that no encoding likes, and a client that says too much of itself."""
    key = "".join(chr(1 + at * 7 % 31) for at in range(1024))
    happening = Happening(
        event="ObjectCreated:CompleteMultipartUpload",
        moment=Timestamp(3 * 10**14, 1),
        account="a" * 256,
        bucket="b" * 256,
        key=key,
        rule="r" * 255,
        user="u" * 10_000,
        address="x" * 10_000,
        request_id="t" * 10_000,
    )
    assert len(happenings.written(happening)) < 7000


@given(st.binary(max_size=40))
def test_what_is_no_entry_is_corrupt(data: bytes) -> None:
    """Nothing else is raised."""
    for text in (base64.b64encode(data).decode(), base64.b64encode(zlib.compress(data)).decode(), "é"):
        with pytest.raises(Corrupt):
            happenings.read(text)


def test_an_entry_of_another_form_is_corrupt() -> None:
    """A later release may write what this one cannot read."""
    data = zlib.compress(json.dumps({"form": 2, "event": "a:b"}).encode())
    with pytest.raises(Corrupt):
        happenings.read(base64.b64encode(data).decode())


# --- where entries stand -----------------------------------------------------------------------


@given(st.sampled_from(("one", "a-b", "1-2-3", "x.y_z")), MOMENTS, WORDS)
def test_a_queue_is_known_by_its_name(target: str, moment: Timestamp, key: str) -> None:
    """Names of targets may have dashes, too."""
    queue = queues.queue_of(target, moment, ("a", "b", key))
    assert queues.queue_named(queue.container) == queue


@given(st.lists(MOMENTS, min_size=2, max_size=5))
def test_entries_stand_in_the_order_of_their_moments(moments: list[Timestamp]) -> None:
    """Whatever makes them unique."""
    names = [queues.row_name(moment, unique) for moment, unique in zip(moments, "fedcb", strict=False)]
    assert [moment for _, moment in sorted(zip(names, moments, strict=True))] == sorted(moments)


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_each_queue_is_one_process_s(processes: int, now: int) -> None:
    """And what one may come into is always looked at."""
    found = list(queues.present("t", now))
    for queue in found:
        assert sum(queue.belongs_to(process, processes) for process in range(processes)) == 1
    assert queues.queue_of("t", Timestamp.of(now), ("a", "b", "c")) in found


@pytest.mark.parametrize("name", ["", "a", "a-b", "a-1-x", "-1-1", "a-1-"])
def test_what_is_no_queue_is_none(name: str) -> None:
    """An operator may have put something into the account."""
    assert queues.queue_named(name) is None


# --- what is told ------------------------------------------------------------------------------


@given(HAPPENINGS)
def test_a_message_is_awss(happening: Happening) -> None:
    """Keys are encoded as forms are."""
    (record,) = json.loads(messages.document(happening, "here"))["Records"]
    told = record["s3"]["object"]
    assert unquote_plus(told["key"]) == happening.key
    assert record["eventName"] == happening.event
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{happening.bucket}"
    assert ("size" in told) == (happening.size is not None and happening.family == "ObjectCreated")
    assert record["awsRegion"] == "here"


@given(st.lists(MOMENTS, min_size=2, max_size=4))
def test_sequencers_sort_as_moments_do(moments: list[Timestamp]) -> None:
    """As text."""
    for one, other in itertools.pairwise(moments):
        assert (messages.sequencer(one) < messages.sequencer(other)) == (one < other)


def test_a_message_is_signed_with_the_targets_secret() -> None:
    """And with nothing where it has none."""
    signed = Target(name="t", url="http://h/", secret="s", authorization="Bearer b")
    headers = messages.headers(signed, "id", b"body")
    assert headers["Authorization"] == "Bearer b"
    assert headers[messages.SIGNATURE].startswith("sha256=")
    assert messages.SIGNATURE not in messages.headers(Target(name="t", url="http://h/"), "id", b"body")
