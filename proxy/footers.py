"""What is told of a body behind it, because it was not known before.

    filter ──environ["swift.callback.update_footers"]──▶ told(callback) ──▶ headers in stock Swift's spelling
    Mime(boundary) ──▶ opening, body, closing(footers): how it travels to object servers

A filter that changes a body as it passes, as encryption does, knows its ETag only then. A small body is read
whole before anything is sent, and its footers go as headers. For a large one the object server is asked first
(Expect: 100-continue) whether it takes them behind the body; the form is stock Swift's. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..common.config import true_value

FOOTERS = "swift.callback.update_footers"
Callback = Callable[[dict[str, str]], None]


def told(callback: Callback) -> dict[str, str]:
    """Return what a filter has to say of the body that has passed."""
    footers: dict[str, str] = {}
    callback(footers)
    return {_titled(name): str(value) for name, value in footers.items()}


def _titled(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


@dataclass(frozen=True, slots=True)
class Mime:
    """A body with metadata behind it, as stock Swift's object servers take it."""

    boundary: str

    def headers(self, length: int | None) -> dict[str, str]:
        """Return what announces it."""
        announced = {
            "X-Backend-Obj-Metadata-Footer": "yes",
            "X-Backend-Obj-Multipart-Mime-Boundary": self.boundary,
        }
        return announced if length is None else {**announced, "X-Backend-Obj-Content-Length": str(length)}

    @staticmethod
    def is_taken(continue_headers: Mapping[str, str]) -> bool:
        """Tell from its 100 Continue whether an object server takes it."""
        return true_value(continue_headers.get("X-Obj-Metadata-Footer") or "no")

    def opening(self) -> bytes:
        """Return what stands before the body."""
        return f"--{self.boundary}\r\nX-Document: object body\r\n\r\n".encode("ascii")

    def closing(self, footers: Mapping[str, str]) -> bytes:
        """Return what stands behind it."""
        document = json.dumps(footers).encode("ascii")
        digest = hashlib.md5(document, usedforsecurity=False).hexdigest()
        head = f"\r\n--{self.boundary}\r\nX-Document: object metadata\r\nContent-MD5: {digest}\r\n\r\n"
        return head.encode("ascii") + document + f"\r\n--{self.boundary}--\r\n".encode("ascii")
