"""The keys of a request, from the keymaster that stands before us in the pipeline.

    environ, key id or None ──keys_for()──▶ Keys, or Locked: the request ends with 500

Keymasters may be other people's: what they hand out is looked at before it is used.
"""

from __future__ import annotations

import logging

from ....common.errors import ApusError
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ
from ..keymaster import FETCH_KEYS, KeyId, Keys, UnknownSecret
from .cipher import KEY_BYTES

log = logging.getLogger(__name__)


class Locked(ApusError):
    """There are no keys for this request."""


def keys_for(environ: Environ, key_id: KeyId | None = None) -> Keys:
    """Return the keys to encrypt with, or those that a key id names.

    Raises:
        Locked: when there is no keymaster, or what it hands out are no keys.
        UnknownSecret: when the id names a secret that is not configured.
    """
    fetch = environ.get(FETCH_KEYS)
    if fetch is None:
        raise Locked("no keymaster stands before the encryption filter in the pipeline")
    try:
        keys: Keys = fetch(key_id=key_id)
        found = [keys[name] for name in ("container", "object") if name in keys]  # type: ignore[literal-required]  # two names
    except UnknownSecret:
        raise
    except Exception as problem:  # noqa: BLE001 - a keymaster of other people's may raise anything
        raise Locked(f"the keymaster failed: {problem!r}") from problem
    if not found or any(len(key) != KEY_BYTES for key in found):
        raise Locked("the keymaster handed out no keys of the right length")
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
