"""Settings of the console server."""

from __future__ import annotations

from dataclasses import dataclass

from ....common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfig:
    """What an operator may say of the console server."""

    bind_ip: str = setting("0.0.0.0", help="Address to listen on.")
    bind_port: int = setting(6080, help="Port to listen on.", minimum=0, maximum=65535)
    api_url: str = setting("http://127.0.0.1:8774", help="The server service.")
    key: str = setting("", help="The console server's key: `apus-console-server --key SECRET` prints it.")
    novnc_folder: str = setting(
        "/usr/share/novnc",
        help="Folder of noVNC's pages (Debian's package novnc); screens are shown by them.",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        help="Names of further hosts whose pages may open consoles here, as a dashboard's that has noVNC "
        "itself; a page of our own host always may.",
    )
