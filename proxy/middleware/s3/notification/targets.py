"""The webhooks that the operator has named, for owners of buckets to choose from.

    notification-targets.conf ──▶ Targets ──all()──▶ {"orders": Target(url, secret, …)}

    [orders]
    url = https://hooks.example.com/s3
    secret = …           signs each message
    authorization = …    said as the Authorization header

Owners name a target and never an address: what stands behind the operator's walls can't be reached by a
bucket's configuration. The file is read again when it has changed. It is asked for by proxies, which need the
names alone, and by the notifier.
"""

from __future__ import annotations

import configparser
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .....common.errors import Refused

log = logging.getLogger(__name__)

FILE = "notification-targets.conf"
_is_name = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_OPTIONS = frozenset(("url", "secret", "authorization", "ca_file", "timeout"))
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One webhook."""

    name: str
    url: str
    secret: str = ""
    """Key of the HMAC by which it knows that a message is ours; none signs nothing."""
    authorization: str = ""
    ca_file: str = ""
    """Certificates to trust instead of the system's."""
    timeout_seconds: float = TIMEOUT_SECONDS
    """How long a whole message may take."""

    def __post_init__(self) -> None:
        """Refuse what no message could be sent to."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.url.isprintable():
            raise ValueError(f"[{self.name}] url = {self.url!r} is no http(s) URL")
        if parts.username is not None or parts.port == 0:  # Asking for a port that is none raises, too.
            raise ValueError(f"[{self.name}] url has a user or port 0; say authorization = …")
        if not self.authorization.isprintable() or not self.authorization.isascii():
            raise ValueError(f"[{self.name}] authorization is no value of a header")
        if self.timeout_seconds <= 0:
            raise ValueError(f"[{self.name}] timeout must be more than 0")


def parse_targets(text: str) -> dict[str, Target]:
    """Return the targets of a file by their names.

    Raises:
        Refused: when it is no such file.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        return {name: _target(name, dict(parser.items(name))) for name in parser.sections()}
    except (configparser.Error, ValueError) as problem:
        raise Refused(f"{FILE}: {problem}") from problem


def _target(name: str, options: Mapping[str, str]) -> Target:
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise ValueError(f"[{name}] {min(unknown)} is no option of a target")
    if not _is_name(name):
        raise ValueError(f"[{name}] may have letters, digits and . _ - in its name, 64 at most")
    return Target(
        name=name,
        url=options.get("url", ""),
        secret=options.get("secret", ""),
        authorization=options.get("authorization", ""),
        ca_file=options.get("ca_file", ""),
        timeout_seconds=float(options.get("timeout", TIMEOUT_SECONDS)),
    )


class Targets:
    """The targets of one file; none where there is no file."""

    def __init__(self, swift_dir: str) -> None:
        self.path = os.path.join(swift_dir, FILE)
        self._targets: Mapping[str, Target] = {}
        self._read_at: tuple[int, int] | None = None

    def all(self) -> Mapping[str, Target]:
        """Return the targets; what cannot be read is reported, and what was read before stays."""
        try:
            found = os.stat(self.path)
            state = (found.st_mtime_ns, found.st_size)
            if state != self._read_at:
                with open(self.path, encoding="utf-8") as handle:
                    self._targets = parse_targets(handle.read())
                self._read_at = state
        except FileNotFoundError:
            self._targets, self._read_at = {}, None
        except (OSError, UnicodeDecodeError, Refused) as problem:
            log.warning(
                "targets of notifications are unreadable; the ones from before stay",
                extra={"path": self.path, "problem": str(problem)},
            )
        return self._targets
