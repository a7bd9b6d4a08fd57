"""The commands by name."""

from __future__ import annotations

from . import (
    abilities,
    copying,
    deleting,
    details,
    downloading,
    links,
    listing,
    posting,
    segments,
    syncing,
    uploading,
)
from .command import Command

COMMANDS: dict[str, Command] = {
    "list": listing.COMMAND,
    "stat": details.COMMAND,
    "upload": uploading.COMMAND,
    "download": downloading.COMMAND,
    "sync": syncing.COMMAND,
    "post": posting.COMMAND,
    "copy": copying.COMMAND,
    "delete": deleting.COMMAND,
    "segments": segments.COMMAND,
    "tempurl": links.COMMAND,
    "auth": abilities.LOGIN,
    "capabilities": abilities.COMMAND,
    "info": abilities.INFO,
}
