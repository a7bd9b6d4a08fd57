"""Which files are the object: laws over any folder, and the cases that stock Swift's rules name."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import Timestamp
from apus.object.files.names import (
    DATA,
    META,
    TOMBSTONE,
    Selection,
    file_name,
    is_rsync_temporary,
    parse,
    replaced,
    select,
)

MOMENTS = st.integers(0, 6).map(lambda step: Timestamp(170_000_000_000_000 + step))
NAMES = st.one_of(
    st.tuples(MOMENTS, st.sampled_from([DATA, TOMBSTONE])).map(lambda pair: file_name(*pair)),
    st.tuples(MOMENTS, st.none() | MOMENTS).map(lambda pair: file_name(pair[0], META, pair[1])),
    st.sampled_from(["1700000000.00000#2.data", ".1700000000.00000.data.a1B2c3", "notes.txt", "hashes.pkl"]),
)
FOLDERS = st.lists(NAMES, unique=True, max_size=8)


def chosen(selection: Selection) -> set[str]:
    files = (selection.data, selection.meta, selection.content_type, selection.tombstone)
    return {file.name for file in files if file is not None}


def obsolete(selection: Selection) -> set[str]:
    return {file.name for file in selection.obsolete}


@given(FOLDERS)
def test_what_is_chosen_is_never_obsolete(folder: list[str]) -> None:
    """No file is both used and doomed, and nothing that we did not make is doomed."""
    selection = select(folder)
    assert not chosen(selection) & obsolete(selection)
    assert obsolete(selection) <= set(folder)
    assert not obsolete(selection) & set(selection.unexpected)


@given(FOLDERS)
def test_tidying_changes_nothing(folder: list[str]) -> None:
    """Without the obsolete files the object is the same, and nothing further is obsolete."""
    before = select(folder)
    after = select(name for name in folder if name not in obsolete(before))
    assert chosen(after) == chosen(before)
    assert after.hashed == before.hashed
    assert not after.obsolete


@given(FOLDERS, st.randoms())
def test_the_order_of_a_listing_does_not_matter(folder: list[str], random: object) -> None:
    """Folders list in any order."""
    shuffled = list(folder)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select(shuffled).hashed == select(folder).hashed


@given(FOLDERS)
def test_the_newest_wins(folder: list[str]) -> None:
    """Data and tombstones: the newest of all decides; at the same moment the tombstone."""
    files = [file for name in folder if (file := parse(name)) and file.extension in (DATA, TOMBSTONE)]
    selection = select(folder)
    winner = selection.data or selection.tombstone
    if not files:
        assert selection.is_empty
    else:
        assert winner == max(files, key=lambda file: (file.timestamp, file.extension == TOMBSTONE))


@given(st.lists(NAMES, unique=True, max_size=2))
def test_the_short_ways_choose_as_the_long_one(folder: list[str]) -> None:
    """One file, or two, are judged as among many: another name that is nobody's changes nothing."""
    short, long = select(folder), select([*folder, "another.txt"])
    assert short._replace(unexpected=()) == long._replace(unexpected=())


@given(FOLDERS.filter(bool), st.integers(0, 7))
def test_what_a_file_replaces_is_what_became_obsolete(folder: list[str], index: int) -> None:
    """Whichever file came last, the same go as if all were sorted; and it may have gone itself by then."""
    newest = parse(folder[index % len(folder)])
    if newest is not None:
        assert sorted(replaced(folder, newest)) == sorted(obsolete(select(folder)))
        without = [name for name in folder if name != newest.name]
        assert sorted(replaced(without, newest)) == sorted(obsolete(select(without)))


@given(MOMENTS, st.integers(0, 2**40), MOMENTS)
def test_names_come_back(moment: Timestamp, offset: int, content_type: Timestamp) -> None:
    """What a file is called tells its moments, whatever the offset."""
    at = Timestamp(moment.ticks, offset)
    for extension in (DATA, TOMBSTONE):
        assert parse(file_name(at, extension)).timestamp == at  # type: ignore[union-attr]
    meta = parse(file_name(at, META, content_type))
    assert meta is not None
    assert meta.timestamp == at
    assert meta.content_type is not None
    assert meta.content_type.ticks == content_type.ticks


CASES: list[tuple[list[str], set[str], set[str]]] = [
    ([], set(), set()),
    (["2.data", "1.data"], {"2.data"}, {"1.data"}),
    (["2.ts", "1.data", "1.meta"], {"2.ts"}, {"1.data", "1.meta"}),
    (["2.data", "2.ts"], {"2.ts"}, {"2.data"}),
    (["3.meta", "2.meta", "1.data"], {"3.meta", "1.data"}, {"2.meta"}),
    (["2.meta", "3.data"], {"3.data"}, {"2.meta"}),
    (["5.meta", "1.data", "3.ts"], {"3.ts"}, {"1.data"}),
]


@pytest.mark.parametrize(("folder", "used", "doomed"), CASES)
def test_cases(folder: list[str], used: set[str], doomed: set[str]) -> None:
    """The cases a reader would try first; seconds stand for moments."""
    full = {short: f"170000000{short[0]}.00000{short[1:]}" for short in folder}
    selection = select(full.values())
    assert chosen(selection) == {full[short] for short in used}
    assert obsolete(selection) == {full[short] for short in doomed}


def test_the_newest_content_type_may_sit_in_an_older_meta() -> None:
    """Two POSTs that crossed: metadata of one, content type of the other; a third is obsolete."""
    data = "1700000000.00000.data"
    newest = file_name(Timestamp.of(1700000005), META, None)
    typed = file_name(Timestamp.of(1700000004), META, Timestamp.of(1700000003))
    older = file_name(Timestamp.of(1700000003), META, Timestamp.of(1700000002))
    for folder in itertools.permutations([data, newest, typed, older]):
        selection = select(folder)
        assert chosen(selection) == {data, newest, typed}
        assert obsolete(selection) == {older}


def test_fragments_and_temporary_files_are_left_alone() -> None:
    """Names of other policies' engines and of rsync are neither used nor removed."""
    folder = ["1700000000.00000#3#d.data", ".1700000000.00000.data.Xy095a", "1700000001.00000.data"]
    selection = select(folder)
    assert chosen(selection) == {"1700000001.00000.data"}
    assert set(selection.unexpected) == set(folder[:2])
    assert is_rsync_temporary(folder[1])
    assert not is_rsync_temporary(folder[0])
