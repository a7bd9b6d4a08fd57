"""Which headers of a request concern its object: judged once for each set of names, not in each request.

    names of the environ ──keys_of()──▶ Keys: all headers, those to keep, users' metadata, overrides

A proxy's requests carry the same thirty names again and again, and only their values differ.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..common.http.request import title

USER, SYSTEM, TRANSIENT = "HTTP_X_OBJECT_META_", "HTTP_X_OBJECT_SYSMETA_", "HTTP_X_OBJECT_TRANSIENT_SYSMETA_"
OVERRIDES = (
    "HTTP_X_BACKEND_CONTAINER_UPDATE_OVERRIDE_",
    "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_",
)
_REMEMBERED_MAX = 512  # Clients choose header names; the memo must not grow with their fancy.
Named = tuple[tuple[str, str], ...]  # The key in the environ, and the header's name.


class Keys(NamedTuple):
    """The keys of one environ, sorted by what they are for."""

    headers: tuple[str, ...]
    user: tuple[str, ...]
    kept_on_put: Named
    kept_on_post: Named
    overrides: Named


@lru_cache(maxsize=_REMEMBERED_MAX)
def keys_of(environ_keys: tuple[str, ...], allowed: frozenset[str]) -> Keys:
    """Return the keys of an environ with these keys, where the settings allow `allowed`."""

    def named(prefixes: tuple[str, ...], also: frozenset[str] = frozenset()) -> Named:
        return tuple((key, title(key)) for key in environ_keys if key in also or key.startswith(prefixes))

    return Keys(
        headers=tuple(key for key in environ_keys if key.startswith("HTTP_")),
        user=tuple(key for key in environ_keys if key.startswith(USER)),
        kept_on_put=named((USER, SYSTEM, TRANSIENT), allowed),
        kept_on_post=named((USER, TRANSIENT), allowed),
        overrides=named(OVERRIDES),
    )
