"""Whether the metadata of an account or container request is acceptable as such.

    environ ──▶ check_item_metadata() ──▶ nothing, or Refused

What results after merging is counted by the storage server, which alone knows the rest. Pure.
"""

from __future__ import annotations

from ..common.constraints import Constraints, check_metadata, is_valid_name
from ..common.errors import Refused
from ..common.http.request import title
from ..common.http.wsgi import Environ, from_wsgi


def check_item_metadata(environ: Environ, kind: str, limits: Constraints) -> None:
    """Refuse metadata of one request that breaks a limit or is not UTF-8; `kind` as in X_KIND_META_."""
    prefix = f"HTTP_X_{kind}_META_"
    items = []
    for key, value in environ.items():
        if not key.startswith("HTTP_"):
            continue
        if len(value) > limits.max_header_size:
            raise Refused(f"Header value too long: {title(key)[: limits.max_meta_name_length]}")
        if key.startswith(prefix):
            name = key[len(prefix) :].replace("_", "-").lower()
            if not (is_valid_name(from_wsgi(name)) and is_valid_name(from_wsgi(value))):
                raise Refused("Metadata must be valid UTF-8")
            items.append((name, value))
    check_metadata(items, limits)
