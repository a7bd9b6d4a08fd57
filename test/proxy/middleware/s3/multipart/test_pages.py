"""Pages of uploads and parts: together they show each one once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.multipart.names import Upload
from apus.proxy.middleware.s3.multipart.pages import Row, UploadsWanted, parts_page, uploads_page

KEYS = st.text(st.sampled_from("ab/-"), min_size=1, max_size=5)
UPLOADS = st.sets(st.tuples(KEYS, st.sampled_from(["U1", "U2"])), max_size=12)


def rows_of(uploads: set[tuple[str, str]]) -> list[Row]:
    names = []
    for key, upload_id in uploads:
        upload = Upload("b", key, upload_id)
        names += [upload.name, upload.claim, upload.part(1), upload.part(10)]
    return [Row(name, 0, "etag", "2026-11-21T00:00:00.000000") for name in sorted(set(names))]


def after(rows: list[Row], wanted: UploadsWanted) -> list[Row]:
    """What the store lists."""
    return [row for row in rows if row.name > wanted.start and row.name.startswith(wanted.prefix)]


@given(UPLOADS, st.text(st.sampled_from("ab/"), max_size=2), st.integers(1, 4))
def test_pages_show_every_upload_once(uploads: set[tuple[str, str]], prefix: str, count_max: int) -> None:
    """Whatever keys are like, and however short the pages."""
    rows, seen = rows_of(uploads), []
    wanted = UploadsWanted(bucket="b", prefix=prefix, count_max=count_max)
    while True:
        page = uploads_page(after(rows, wanted), wanted)
        assert len(page.uploads) <= count_max
        seen += [(upload.key, upload.upload_id) for upload, _ in page.uploads]
        if page.last is None:
            break
        wanted = UploadsWanted(
            bucket="b",
            prefix=prefix,
            key_marker=page.last.key,
            upload_id_marker=page.last.upload_id,
            count_max=count_max,
        )
    assert sorted(seen) == sorted(pair for pair in uploads if pair[0].startswith(prefix))


@given(UPLOADS, st.integers(1, 4))
def test_pages_with_a_delimiter_show_what_there_is(uploads: set[tuple[str, str]], count_max: int) -> None:
    """Every upload is shown, or has a prefix that is."""
    rows, seen, prefixes = rows_of(uploads), [], []
    wanted = UploadsWanted(bucket="b", delimiter="/", count_max=count_max)
    while True:
        page = uploads_page(after(rows, wanted), wanted)
        assert len(page.uploads) + len(page.prefixes) <= count_max
        seen += [(upload.key, upload.upload_id) for upload, _ in page.uploads]
        prefixes += page.prefixes
        if page.last is None:
            break
        wanted = UploadsWanted(
            bucket="b",
            delimiter="/",
            key_marker=page.last.key,
            upload_id_marker=page.last.upload_id,
            count_max=count_max,
        )
    assert sorted(seen) == sorted(pair for pair in uploads if "/" not in pair[0])
    assert set(prefixes) == {key.partition("/")[0] + "/" for key, _ in uploads if "/" in key}


@given(UPLOADS, KEYS)
def test_a_key_marker_alone_begins_behind_that_key(uploads: set[tuple[str, str]], marker: str) -> None:
    """Though rows are not in the order of keys."""
    wanted = UploadsWanted(bucket="b", key_marker=marker)
    page = uploads_page(after(rows_of(uploads), wanted), wanted)
    seen = sorted((upload.key, upload.upload_id) for upload, _ in page.uploads)
    assert seen == sorted(pair for pair in uploads if pair[0] > marker)


def test_a_page_of_none_is_the_last() -> None:
    """Nobody follows it forever."""
    wanted = UploadsWanted(bucket="b", count_max=0)
    page = uploads_page(rows_of({("a", "U1")}), wanted)
    assert (page.uploads, page.prefixes, page.last) == ([], [], None)


@given(st.sets(st.integers(1, 10_000), max_size=20), st.integers(0, 10_000), st.integers(0, 5))
def test_parts_come_in_the_order_of_their_numbers(numbers: set[int], marker: int, count_max: int) -> None:
    """Rows come in the order of their names: 1, 10, 2."""
    upload = Upload("b", "k", "U")
    names = sorted([upload.claim, *map(upload.part, numbers)])
    page = parts_page(
        [Row(name, 1, "etag", "") for name in names], upload, marker=marker, count_max=count_max
    )
    wanted = sorted(number for number in numbers if number > marker)
    assert [number for number, _ in page.parts] == wanted[:count_max]
    assert page.is_truncated == (len(wanted) > count_max)
