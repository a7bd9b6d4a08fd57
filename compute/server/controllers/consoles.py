"""A server's console: what it has printed, as its host's agent has it.

{"os-getConsoleOutput": {"length": 50}} ──▶ the agent's console door ──▶ {"output": …}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer
from ..doors import ask_host
from ..records import Server
from ..world import World

CONSOLE_BYTES_MAX = 102400


class ConsoleController:
    """Serves os-getConsoleOutput."""

    def __init__(self, world: World) -> None:
        self._world = world

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {"os-getConsoleOutput": self.output}

    def output(self, call: Call, server: Server, argument: Any) -> Response:
        """Return the last lines that the server has printed on its serial console."""
        del call
        length = _length(argument)
        text = ask_host(self._world, server)[-CONSOLE_BYTES_MAX:].decode("utf-8", "replace")
        if length is not None:  # The end of the last line is no line that was asked for.
            text = "\n".join(text.removesuffix("\n").split("\n")[-length:]) if length else ""
        return answer(200, {"output": text})


def _length(argument: Any) -> int | None:
    """Return how many lines are asked for; None is all of them; raise BadRequest for anything else."""
    length = argument.get("length") if isinstance(argument, dict) else None
    if length in (None, -1, "-1"):
        return None
    if isinstance(length, str) and length.isascii() and length.isdigit():
        length = int(length)
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise BadRequest(f"Invalid input for field/attribute length. Value: {length!r}.")
    return length
