"""A flavor as clients see it, in the form of each microversion.

Flavor, Version ──▶ document() ──▶ what stands under "flavor"
"""

from __future__ import annotations

from typing import Any

from ...api.versions import Version
from ..records import Flavor
from .links import links


def reference(flavor: Flavor, base_url: str, version: Version) -> dict[str, Any]:
    """Return what the short list says."""
    written: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "links": links(base_url, f"flavors/{flavor.id}"),
    }
    if version.minor >= 55:
        written["description"] = flavor.description
    return written


def document(flavor: Flavor, base_url: str, version: Version) -> dict[str, Any]:
    """Return the whole document: no swap is "" up to 2.74, extra specs come with 2.61."""
    written = {
        **reference(flavor, base_url, version),
        "ram": flavor.ram,
        "disk": flavor.disk,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap or (0 if version.minor >= 75 else ""),
        "rxtx_factor": flavor.rxtx_factor,
        "OS-FLV-DISABLED:disabled": False,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
        "os-flavor-access:is_public": flavor.is_public,
    }
    if version.minor >= 61:
        written["extra_specs"] = dict(flavor.extra_specs)
    return written
