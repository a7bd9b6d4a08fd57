"""Microversions: which of many forms of a resource a client asks for.

    OpenStack-API-Version: compute 2.96 ──▶ Versions.asked() ──▶ Version(2, 96)
    no header ──▶ the oldest                "latest" ──▶ the newest                beyond ──▶ 406

The rule of Nova's and Cinder's API guides; the old header X-OpenStack-Nova-API-Version counts for compute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .faults import BadRequest, NotAcceptable

HEADER = "OpenStack-API-Version"
_FORM = re.compile(r"(\d{1,4})\.(\d{1,4})", re.ASCII)


class Version(NamedTuple):
    """One version; versions compare as they should."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def of(cls, text: str) -> Version:
        """Read "2.96".

        Raises:
            BadRequest: when it is none.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise BadRequest(f"{text!r} is no version; say it as in 2.1, or say latest")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Versions:
    """The range that a service serves; `kind` is its word in the header ("compute", "volume")."""

    kind: str
    oldest: Version
    newest: Version
    old_header: str = ""

    def asked(self, headers: Mapping[str, str]) -> Version:
        """Return what the request's headers ask for.

        Raises:
            BadRequest: the header cannot be read.
            NotAcceptable: the version is beyond what is served.
        """
        text = self._text(headers)
        if not text:
            return self.oldest
        if text == "latest":
            return self.newest
        version = Version.of(text)
        if not self.oldest <= version <= self.newest:
            raise NotAcceptable(
                f"Version {version} is not supported by the API. "
                f"Minimum is {self.oldest} and maximum is {self.newest}."
            )
        return version

    def said(self, version: Version) -> dict[str, str]:
        """Return the headers that tell the client which version was served."""
        headers = {HEADER: f"{self.kind} {version}", "Vary": HEADER}
        if self.old_header:
            headers[self.old_header] = str(version)
            headers["Vary"] = f"{HEADER}, {self.old_header}"
        return headers

    def _text(self, headers: Mapping[str, str]) -> str:
        """Return the version's text of our kind, "" for none; a header may name several services."""
        for part in (headers.get(HEADER) or "").split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.kind:
                return words[1].lower()
        return (headers.get(self.old_header) or "").strip().lower() if self.old_header else ""
