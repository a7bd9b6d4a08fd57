"""Passwords and secrets as they are kept: Argon2id, which makes guessing them dear in memory and time.

    password ──hash()──▶ $argon2id$… ──is_right()──▶ True | False, after the same work either way

Whoever does not exist is checked as well, against a hash that nothing fits: answers take as long, and tell
nothing. Hashing runs in native threads, a few at a time, so that a flood of log-ins slows only log-ins
down.
"""

from __future__ import annotations

import secrets

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from ...common.concurrency import Semaphore, in_native_thread

AT_ONCE_MAX = 4
PASSWORD_CHARACTERS_MAX = 4096  # What is hashed at all; a longer one is nobody's.


class Passwords:
    """Hashes and checks."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turns = Semaphore(AT_ONCE_MAX)
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        """Return what is stored of a password."""
        with self._turns:
            return str(in_native_thread(self._hasher.hash, password))

    def is_right(self, password: str, stored: str | None) -> bool:
        """Whether it is the password of which this was stored; None is nobody's."""
        with self._turns:
            return bool(in_native_thread(self._check, password[:PASSWORD_CHARACTERS_MAX], stored))

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other settings than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def _check(self, password: str, stored: str | None) -> bool:
        try:
            return self._hasher.verify(stored or self._nobodys, password) and stored is not None
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            return False
