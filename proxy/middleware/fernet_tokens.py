"""Stock Swift's signed tokens, so that proxies of both kinds can serve one cluster behind one address.

    groups ──issue()──▶ ftk<fernet of groups> or zftk<fernet of compressed groups> ──open()──▶ groups

Keys and their names are stock tempauth's: `fernet_key_ID = …` for each, `active_fernet_key_id = ID` for the
one that encrypts. Unlike our own tokens these carry the groups. It does not know users, requests, or the
clock.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ...common.errors import Refused

PLAIN = "ftk"
COMPRESSED = "zftk"
GROUPS_BYTES_MAX = (
    65536  # What a compressed token may grow to; no header could carry the REMOTE_USER of more.
)
OPTION = "fernet_key"
ACTIVE_OPTION = "active_fernet_key_id"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a genuine token says."""

    groups: str
    expires: int


class FernetTokens:
    """The keys, and what they do."""

    def __init__(self, keys: Mapping[str, Fernet], active: str | None, life_seconds: int) -> None:
        self._all = MultiFernet(list(keys.values())) if keys else None
        self._active = keys[active] if active is not None else None
        self._life_seconds = life_seconds

    @property
    def issues(self) -> bool:
        """Whether new tokens shall be of this kind."""
        return self._active is not None

    def issue(self, groups: str, *, now: int) -> str:
        """Return a token without its reseller prefix, in the shorter of the two forms."""
        assert self._active is not None
        packed = groups.encode()
        compressed = zlib.compress(packed)
        mark, content = (COMPRESSED, compressed) if len(compressed) < len(packed) else (PLAIN, packed)
        return mark + self._active.encrypt_at_time(content, now).decode("ascii")

    def open(self, text: str, *, now: int) -> Opened | None:
        """Return what a token says, or None when it is not genuine, too old, or no token."""
        mark = next((mark for mark in (COMPRESSED, PLAIN) if text.startswith(mark)), None)
        if mark is None or self._all is None:
            return None
        try:
            sealed = text.removeprefix(mark).encode("ascii")
            content = self._all.decrypt_at_time(sealed, self._life_seconds, now)
            groups = (_inflated(content) if mark == COMPRESSED else content).decode()
            issued = self._all.extract_timestamp(sealed)
        except (InvalidToken, UnicodeError, zlib.error):
            return None
        return Opened(groups, issued + self._life_seconds) if groups else None


def fernet_from_options(options: Mapping[str, str], *, life_seconds: int) -> FernetTokens:
    """Read the keys of a filter's section.

    Raises:
        Refused: naming the key that is malformed, or the active one that is missing.
    """
    keys = {}
    for option, value in options.items():
        if option == OPTION or option.startswith(f"{OPTION}_"):
            try:
                keys[option.removeprefix(OPTION).removeprefix("_")] = Fernet(value)
            except ValueError as problem:
                raise Refused(f"{option}: expected 32 bytes in url-safe base64") from problem
    active = options.get(ACTIVE_OPTION, "")
    if active and active not in keys:
        raise Refused(f"{ACTIVE_OPTION} = {active!r}: there is no {OPTION}_{active}")
    return FernetTokens(keys, active or None, life_seconds)


def _inflated(content: bytes) -> bytes:
    """Return decompressed bytes, b"" when there are too many."""
    inflating = zlib.decompressobj()
    data = inflating.decompress(content, GROUPS_BYTES_MAX)
    return data if inflating.eof else b""
