"""The public access block: four flags that overrule lists and policies which let everybody in.

    <PublicAccessBlockConfiguration> ──check()──▶ it may be kept      text ──flags_of()──▶ flags, remembered

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ..xml import Node, read
from . import reading

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
NOTHING: Mapping[str, bool] = dict.fromkeys(BLOCKS, False)
_REMEMBERED = 64  # There are sixteen different ones.


def check(root: Node) -> None:
    """Refuse what is no PublicAccessBlockConfiguration."""
    reading.only(root, BLOCKS, once=BLOCKS)
    for node in root.children:
        reading.boolean(node.text, node.tag)


@lru_cache(maxsize=_REMEMBERED)
def flags_of(text: str) -> Mapping[str, bool]:
    """Return the flags of a document that was kept."""
    said = {node.tag: node.text.strip().lower() == "true" for node in read(text.encode()).children}
    return {**NOTHING, **said}
