"""Clusters that synchronise containers with each other, and how they prove it to one another.

    container-sync-realms.conf ──▶ Realms ──realm("us")──▶ Realm(key, key2, clusters)
    method, path, time, nonce, both keys ──signature()──▶ what X-Container-Sync-Auth carries

A realm's key is known to the operators of its clusters, a container's key to its users: a request needs both.
The file is read again when it changes. It does not know requests.
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from .errors import Refused

log = logging.getLogger(__name__)

FILE = "container-sync-realms.conf"
CHECK_EVERY_SECONDS = 300.0
AUTH_HEADER = "X-Container-Sync-Auth"


@dataclass(frozen=True, slots=True)
class Realm:
    """One realm; clusters by their name in capitals. A second key counts too, while keys are changed."""

    name: str
    key: str
    key2: str = ""
    clusters: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that count."""
        return tuple(key for key in (self.key, self.key2) if key)


def parse_realms(text: str) -> tuple[dict[str, Realm], float]:
    """Return the realms by their name in capitals, and how often the operator wants the file looked at.

    Raises:
        Refused: when it is no such file.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
        every = parser.getfloat("DEFAULT", "mtime_check_interval", fallback=CHECK_EVERY_SECONDS)
    except (configparser.Error, ValueError) as problem:
        raise Refused(f"{FILE}: {problem}") from problem
    realms = {}
    for section in parser.sections():
        options = dict(parser.items(section))
        clusters = {
            option.removeprefix("cluster_").upper(): url
            for option, url in options.items()
            if option.startswith("cluster_")
        }
        name = section.upper()
        realms[name] = Realm(name, options.get("key", ""), options.get("key2", ""), clusters)
    return realms, every


class Realms:
    """The realms of one file; none where there is no file."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._realms: dict[str, Realm] = {}
        self._mtime = 0.0
        self._every_seconds = CHECK_EVERY_SECONDS
        self._check_at = -1.0

    def realm(self, name: str) -> Realm | None:
        """Return the realm of that name, in any case; one that is not known yet may be new in the file."""
        found = self.all().get(name.upper())
        if found is None:
            self._read_when_changed()
            found = self._realms.get(name.upper())
        return found

    def all(self) -> Mapping[str, Realm]:
        """Return all realms; what cannot be read is reported, and what was read before stays."""
        moment = self._clock()
        if self._check_at <= moment or self._check_at < 0:
            self._read_when_changed()
            self._check_at = moment + self._every_seconds
        return self._realms

    def _read_when_changed(self) -> None:
        try:
            mtime = os.stat(self.path).st_mtime
            if mtime == self._mtime:
                return
            with open(self.path, encoding="utf-8") as handle:
                self._realms, self._every_seconds = parse_realms(handle.read())
            self._mtime = mtime
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, Refused) as problem:
            log.warning(
                "realms of container sync are unreadable; the ones from before stay",
                extra={"path": self.path, "problem": str(problem)},
            )


def signature(method: str, path: str, timestamp: str, nonce: str, *, realm_key: str, user_key: str) -> str:
    """Return what proves that whoever sends a request knows both keys; `path` is percent-encoded."""
    signed = f"{method}\n{path}\n{timestamp}\n{nonce}\n{user_key}"
    return hmac.new(realm_key.encode(), signed.encode("utf-8", "surrogateescape"), hashlib.sha1).hexdigest()


def wire_path(path: str) -> str:
    """Return a path of text as it is signed."""
    return quote(path, errors="surrogateescape")
