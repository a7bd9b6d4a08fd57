"""Laws of changes: both dialects say the same, what the service says is read-only, paths are one part."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.compute.api.faults import BadRequest, Conflict, Fault, Forbidden, UnsupportedMedia
from apus.compute.image.image import Image, Status
from apus.compute.image.patching import TYPES, Change, apply, parse
from apus.compute.image.properties import READ_ONLY, RESERVED

NEW, OLD = TYPES
IMAGE = Image(id="i", owner="o", created_at=0, updated_at=0, properties={"hw_disk_bus": "scsi"})


def test_both_dialects_say_the_same() -> None:
    """2.0 names the operation by its key, 2.1 by `op`."""
    new = parse(NEW, [{"op": "add", "path": "/a~1b", "value": "x"}, {"op": "remove", "path": "/c"}])
    old = parse(f"{OLD}; charset=UTF-8", [{"add": "/a~1b", "value": "x"}, {"remove": "/c"}])
    assert new == old == [Change("add", "a/b", "x"), Change("remove", "c")]


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ({}, BadRequest),
        (["x"], BadRequest),
        ([{"path": "/a", "value": "x"}], BadRequest),
        ([{"op": "move", "path": "/a", "value": "x"}], BadRequest),
        ([{"op": "add", "path": "a", "value": "x"}], BadRequest),
        ([{"op": "add", "path": "/a/b", "value": "x"}], BadRequest),
        ([{"op": "add", "path": "/a~2", "value": "x"}], BadRequest),
        ([{"op": "add", "path": "/", "value": "x"}], BadRequest),
        ([{"op": "add", "path": "/a"}], BadRequest),
        ([{"op": "add", "path": "/locations/-", "value": {}}], Forbidden),
    ],
)
def test_malformed_patches_are_refused(document: Any, refusal: type[Fault]) -> None:
    """Each with a sentence."""
    with pytest.raises(refusal):
        parse(NEW, document)


def test_other_types_are_refused_with_the_right_ones() -> None:
    """Accept-Patch says which are taken."""
    with pytest.raises(UnsupportedMedia) as refused:
        parse("application/json", [])
    assert refused.value.headers["Accept-Patch"] == ", ".join(TYPES)


@pytest.mark.parametrize("name", sorted(READ_ONLY | RESERVED | {"id", "os_glance_x"}))
@pytest.mark.parametrize("operation", ["add", "replace", "remove"])
def test_what_the_service_says_is_not_for_clients(name: str, operation: str) -> None:
    """403 for every operation."""
    with pytest.raises(Forbidden):
        parse(NEW, [{"op": operation, "path": f"/{name}", "value": "x"}])


def test_order_counts_and_absence_is_a_conflict() -> None:
    """What is replaced or removed must be there; what is added may be."""
    changed = apply(
        IMAGE, [Change("add", "x", "1"), Change("replace", "x", "2"), Change("remove", "hw_disk_bus")]
    )
    assert changed.properties == {"x": "2"}
    for change in (Change("replace", "y", "1"), Change("remove", "y")):
        with pytest.raises(Conflict):
            apply(IMAGE, [change])
    with pytest.raises(Forbidden):
        apply(IMAGE, [Change("remove", "name")])


def test_formats_are_fixed_once_data_is_there() -> None:
    """The data was inspected as that format."""
    assert apply(IMAGE, [Change("replace", "disk_format", "raw")]).disk_format == "raw"
    active = IMAGE.changed(status=Status.ACTIVE, disk_format="raw")
    with pytest.raises(Forbidden):
        apply(active, [Change("replace", "disk_format", "qcow2")])
    assert apply(active, [Change("replace", "disk_format", "raw")]) == active


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["op", "path", "value", "add"]), inner, max_size=3)
    ),
    max_leaves=12,
)
LINES = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove"]),
        "path": st.sampled_from(["/name", "/tags", "/x", "/min_disk", "/visibility", "/protected"]),
    },
    optional={"value": JSON},
)


@given(st.one_of(JSON, st.lists(LINES, max_size=4)), st.sampled_from(TYPES))
def test_no_document_makes_a_change_fail_otherwise(document: Any, kind: str) -> None:
    """Any JSON is a change or a refusal; never another error."""
    with suppress(BadRequest, Forbidden, Conflict):
        apply(IMAGE, parse(kind, document))
