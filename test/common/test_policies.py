"""Policies: read as stock Swift reads them, refused where objects could go astray."""

from __future__ import annotations

import pytest

from apus.common.errors import Refused
from apus.common.policies import Policies

GOLD = {"name": "gold", "aliases": "yellow, Orange", "default": "yes"}


def test_without_sections_there_is_policy_zero() -> None:
    """A cluster that names no policy has one, called Policy-0."""
    policies = Policies.from_sections({})
    assert policies.default.name == "Policy-0"
    assert policies.default.data_directory == "objects"


def test_names_and_aliases_are_found_in_any_case() -> None:
    """People may write a name as they like; the folder and ring follow the index."""
    policies = Policies.from_sections({"storage-policy:0": GOLD, "storage-policy:1": {"name": "silver"}})
    assert policies.by_name("ORANGE") == policies.by_index(0) == policies.default
    silver = policies.by_name("Silver")
    assert silver is not None
    assert (silver.ring_name, silver.data_directory) == ("object-1", "objects-1")
    assert policies.by_name("bronze") is None


@pytest.mark.parametrize(
    "sections",
    [
        {"storage-policy:1": {"name": "one", "default": "yes"}},
        {"storage-policy:0": GOLD, "storage-policy:1": {"name": "yellow"}},
        {"storage-policy:0": GOLD, "storage-policy:1": {"name": "b", "default": "yes"}},
        {"storage-policy:0": {**GOLD, "deprecated": "yes"}},
        {"storage-policy:0": {"name": "a"}, "storage-policy:1": {"name": "b"}},
        {"storage-policy:0": {**GOLD, "name": "not allowed"}},
        {"storage-policy:0": GOLD, "storage-policy:1": {"name": "Policy-0"}},
        {"storage-policy:0": {**GOLD, "policy_type": "raid"}},
    ],
)
def test_a_dangerous_set_is_refused(sections: dict[str, dict[str, str]]) -> None:
    """Missing zero, shared names, two defaults, no default, a deprecated default, odd names and kinds."""
    with pytest.raises(Refused):
        Policies.from_sections(sections)
