"""The one back end that there is, as Cinder's words describe it, and which volume types it suits.

    a type's extra specs ──▶ unsuited() ──▶ None, or the sentence that says what is not as the type wants it

Pure. What a type says about the protocol is not compared: how a host reaches a disk is no matter of types.
"""

from __future__ import annotations

from collections.abc import Mapping

VENDOR = "Open Source"  # As Cinder's own drivers say.
NAME = "apus"
PROTOCOL = "apus-block"
_FACTS = {"vendor_name": VENDOR, "volume_backend_name": NAME}


def unsuited(extra_specs: Mapping[str, str]) -> str | None:
    """Return why no volume of a type with these specs can be here, or None where it can."""
    for name, fact in _FACTS.items():
        for key in (name, f"capabilities:{name}"):
            wanted = extra_specs.get(key)
            if wanted is not None and wanted != fact:
                return f"No valid back end was found: the type wants {name} {wanted!r}, here it is {fact!r}."
    return None
