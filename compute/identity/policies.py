"""Policies: texts that services of other clouds keep here; kept and told, and nothing acts on them.

/v3/policies ──▶ {"policy": {"id", "type", "blob"}}
"""

from __future__ import annotations

from . import tables
from .collection import Collection
from .fields import Field, Kind

POLICIES = Kind(
    "policies",
    "policy",
    tables.policies,
    (
        Field("type", required=True, nullable=False),
        Field("blob", required=True, nullable=False),
    ),
    filters=("type",),
)


class Policies(Collection):
    """/v3/policies, for who administers everything."""

    kind = POLICIES
