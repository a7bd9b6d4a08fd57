"""The keys of a request, from the keymaster that stands before us in the pipeline.

    environ, key id or None ──keys_for()──▶ Keys, or Locked: the request ends with 500

Keymasters may be other people's: what they hand out is looked at before it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from ....common.errors import ApusError
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ
from ..keymaster import FETCH_KEYS, KeyId, Keys, UnknownSecret
from .cipher import KEY_BYTES

log = logging.getLogger(__name__)


Level = Literal["object", "container"]


class Locked(ApusError):
    """There are no keys for this request."""


def keys_for(environ: Environ, key_id: KeyId | None = None, *, of: Sequence[Level] = ("object",)) -> Keys:
    """Return the keys to encrypt with, or those that a key id names; of these levels at least.

    Raises:
        Locked: when there is no keymaster, or what it hands out are not those keys.
        UnknownSecret: when the id names a secret that is not configured.
    """
    fetch = environ.get(FETCH_KEYS)
    if fetch is None:
        raise Locked("no keymaster stands before the encryption filter in the pipeline")
    try:
        keys: Keys = fetch(key_id=key_id)
        lengths = {len(keys[level]) for level in of}
    except UnknownSecret:
        raise
    except Exception as problem:  # noqa: BLE001 - a keymaster of other people's may raise anything
        raise Locked(f"the keymaster failed: {problem!r}") from problem
    if lengths != {KEY_BYTES}:
        raise Locked("the keymaster handed out a key of another length than the cipher's")
    return keys


def all_keys_for(environ: Environ) -> list[Keys]:
    """Return the keys of every root secret that may have encrypted this, the active one's first."""
    active = keys_for(environ)
    others = [key_id for key_id in active["all_ids"] if key_id != active["id"]]
    return [active, *(keys_for(environ, key_id) for key_id in others)]


def refusal(problem: ApusError, path: str) -> Answer:
    """Return the answer of a request without keys, and tell the operator why."""
    log.error("no keys to encrypt or decrypt with", extra={"path": path, "problem": str(problem)})
    return Answer.text(500, "Unable to retrieve encryption keys.")
