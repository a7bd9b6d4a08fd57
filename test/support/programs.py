"""The clients that people have: `swift`, `openstack`, `rclone`, `restic` and `curl`, unmodified.

swift(store, "upload", "c", "file") ──▶ what it printed, or CommandError with what it complained of
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import warm
from store import KEYS, Store

TIMEOUT_SECONDS = 900
REMOTE = "apustest"


class CommandError(AssertionError):
    """A client program failed."""


def swift(store: Store, *words: str, cwd: Path | None = None, user: str = "test:tester") -> str:
    """Run python-swiftclient's `swift`; return its standard output."""
    environment = {**os.environ, **store.environment(user)}
    return output(
        warm.run(
            "swiftclient.shell:main",
            swift_command(),
            words,
            environment=environment,
            cwd=cwd,
            timeout=TIMEOUT_SECONDS,
        )
    )


def apus(store: Store, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run our own command to its end."""
    environment = {**os.environ, **store.environment()}
    return warm.run(
        "apus.bin.apus:main", "apus", words, environment=environment, cwd=cwd, timeout=TIMEOUT_SECONDS
    )


def swift_command() -> str:
    """The path of python-swiftclient's `swift`."""
    return str(Path(sys.executable).with_name("swift"))


def openstack(environment: Mapping[str, str], commands: Iterable[str], cwd: Path | None = None) -> list[Any]:
    """Run commands in one `openstack` (it takes seconds to start); return what they printed as JSON, in order."""
    program = str(Path(sys.executable).with_name("openstack"))
    quiet = {**environment, "PYTHONWARNINGS": "ignore"}
    done = _done([program], quiet, cwd, "\n".join(commands) + "\n")
    if done.stderr:  # Its exit code says nothing when it is told what to do like this.
        raise CommandError(f"openstack: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    said, rest = [], done.stdout.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        said.append(value)
        rest = rest[end:].strip()
    return said


def rclone_environment(store: Store, user: str = "test:tester") -> dict[str, str]:
    """A remote called `apustest`, configured through the environment alone."""
    options = {"TYPE": "swift", "USER": user, "KEY": KEYS[user], "AUTH": store.auth_url, "AUTH_VERSION": "1"}
    remote = {f"RCLONE_CONFIG_{REMOTE.upper()}_{name}": value for name, value in options.items()}
    return {**remote, "RCLONE_CONFIG": os.devnull}


def rclone(store: Store, *words: str, cwd: Path | None = None, text: str = "") -> str:
    """Run rclone, with a text to read from its standard input; the remote's name is REMOTE."""
    return run([installed("rclone"), *words], rclone_environment(store), cwd, text)


def restic(store: Store, repository: str, *words: str, cache: Path, cwd: Path | None = None) -> str:
    """Run restic on a repository of its Swift backend, or of rclone's remote REMOTE."""
    environment = {**store.environment(), **rclone_environment(store), "RESTIC_PASSWORD": "secret"}
    command = [installed("restic"), "--repo", repository, "--cache-dir", str(cache), *words]
    return run(command, environment, cwd)


def curl(*words: str) -> str:
    """Run curl, silent but for errors."""
    return run([installed("curl"), "--silent", "--show-error", *words], {}, None)


def installed(program: str) -> str:
    """The program's path; the tests' installer (.ci/install test) puts all of them there."""
    path = shutil.which(program)
    assert path, f"{program} is missing; run: .ci/install test"
    return path


def run(command: list[str], environment: Mapping[str, str], cwd: Path | None, text: str = "") -> str:
    """Run a command to its end, with a text to read; its standard output."""
    return output(_done(command, environment, cwd, text))


def output(done: subprocess.CompletedProcess[str]) -> str:
    """What a program has printed; CommandError where it failed."""
    if done.returncode:
        raise CommandError(
            f"{' '.join(done.args)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def _done(
    command: list[str], environment: Mapping[str, str], cwd: Path | None, text: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
