"""The clients that people have: `swift`, `rclone` and `curl`, unmodified.

swift(store, "upload", "c", "file") ──▶ what it printed, or CommandError with what it complained of
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from store import KEYS, Store

TIMEOUT_SECONDS = 900
REMOTE = "apustest"


class CommandError(AssertionError):
    """A client program failed."""


def swift(store: Store, *words: str, cwd: Path | None = None, user: str = "test:tester") -> str:
    """Run python-swiftclient's `swift`; return its standard output."""
    return run([swift_command(), *words], store.environment(user), cwd)


def swift_command() -> str:
    """The path of python-swiftclient's `swift`."""
    return str(Path(sys.executable).with_name("swift"))


def rclone_environment(store: Store, user: str = "test:tester") -> dict[str, str]:
    """A remote called `apustest`, configured through the environment alone."""
    options = {"TYPE": "swift", "USER": user, "KEY": KEYS[user], "AUTH": store.auth_url, "AUTH_VERSION": "1"}
    remote = {f"RCLONE_CONFIG_{REMOTE.upper()}_{name}": value for name, value in options.items()}
    return {**remote, "RCLONE_CONFIG": os.devnull}


def rclone(store: Store, *words: str, cwd: Path | None = None) -> str:
    """Run rclone; the remote's name is REMOTE."""
    return run([installed("rclone"), *words], rclone_environment(store), cwd)


def curl(*words: str) -> str:
    """Run curl, silent but for errors."""
    return run([installed("curl"), "--silent", "--show-error", *words], {}, None)


def installed(program: str) -> str:
    """The program's path; the tests' installer (.ci/install test) puts all of them there."""
    path = shutil.which(program)
    assert path, f"{program} is missing; run: .ci/install test"
    return path


def run(command: list[str], environment: Mapping[str, str], cwd: Path | None) -> str:
    """Run a command to its end; its standard output."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CommandError(
            f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout
