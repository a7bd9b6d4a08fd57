"""A proxy that is killed after a change of an object, before it can say so in the notifications' log.

dying_proxy.py CONF ──▶ apus-proxy-server ──first event to be settled──▶ SIGKILL, as of a power cut
"""

from __future__ import annotations

import os
import signal
import sys

from apus.bin import proxy_server
from apus.proxy.middleware.s3.notification.recording import Notifications


def die(*_: object) -> None:
    """End at once, with all that is under way."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Notifications._settle = die  # type: ignore[assignment, method-assign]
    sys.exit(proxy_server.main())
