"""Asking every storage server of a ring at once.

    rings ──▶ hosts() ──▶ Scout.ask(check) ──▶ {host: answer}, and who did not answer

It does not know what the answers mean.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...common.concurrency import Crew
from ...common.errors import Unavailable
from ...common.http.client import Address, Pool, PoolConfig
from ...ring.table import Ring
from .checks import Check

CONCURRENCY = 30


def hosts(rings: Iterable[Ring], *, region: int | None, zone: int | None) -> list[Address]:
    """Return the address of every server in the rings, each once."""
    devices = [device for ring in rings for device in ring.devices if device is not None]
    return sorted(
        {
            device.address
            for device in devices
            if region in (None, device.region) and zone in (None, device.zone)
        }
    )


@dataclass(slots=True)
class Scout:
    """Asks, and remembers who did not answer."""

    timeout_seconds: float
    verbose: bool = False
    suppress: bool = False
    lines: list[str] = field(default_factory=list)
    _pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        """Set up connections with the operator's patience."""
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=self.timeout_seconds, response_timeout_seconds=self.timeout_seconds
            )
        )

    def ask(self, check: Check, kind: str, addresses: Iterable[Address]) -> dict[str, Any]:
        """Return each host's answer; hosts without one are left out and told of in `lines`."""
        asked = list(addresses)
        answers = Crew(CONCURRENCY).map(lambda address: self._ask_one(check, kind, address), asked)
        return {
            named(address): answer
            for address, answer in zip(asked, answers, strict=True)
            if answer is not None
        }

    def _ask_one(self, check: Check, kind: str, address: Address) -> Any:
        path = f"/recon/{check.path.format(kind=kind)}" if check.path else "/"
        url = f"http://{named(address)}{path}"
        began = time.time()
        try:
            answer = self._pool.request(address, "GET" if check.path else "OPTIONS", path, {})
            body = answer.read()
            if not check.path:
                return answer.headers.get("Server") or "unknown"
            if answer.status != 200:
                raise Unavailable(f"{answer.status} {answer.reason}")
            content = json.loads(body)
        except (Unavailable, ValueError) as problem:
            if not self.suppress or self.verbose:
                self.lines.append(f"-> {url}: {problem}")
            return None
        if self.verbose:
            self.lines.append(f"-> {url}: {content}")
        return (began, float(content), time.time()) if check.path == "time" else content


def named(address: Address) -> str:
    """Return `ip:port`."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
