"""What starts a program quickly starts it as it would start by itself."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm

TIMEOUT_SECONDS = 60
ENTRY = "timeit:main"  # A program that runs whatever it is given.
ONCE = ("-n", "1", "-r", "1")


def told(
    code: str, *, cwd: Path, text: str = "", timeout: float = TIMEOUT_SECONDS, **environment: str
) -> str:
    """What a line of Python printed."""
    done = finished(code, cwd=cwd, text=text, timeout=timeout, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def finished(
    code: str, *, cwd: Path, text: str = "", timeout: float = TIMEOUT_SECONDS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """How a line of Python ended."""
    return warm.run(
        ENTRY, "told", [*ONCE, code], environment=environment, cwd=cwd, text=text, timeout=timeout
    )


def test_it_has_what_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    """Arguments, environment, folder and input; it is nobody's child twice, and leads a session of its own."""
    code = "import os, sys; print(sys.argv[0], dict(os.environ), os.getcwd(), sys.stdin.read())"
    said = told(code, cwd=tmp_path, text="heard", KEPT="yes")
    assert said == f"told { ({'KEPT': 'yes'}) } {tmp_path} heard"
    pids = {told("import os; print(os.getpid(), os.getsid(0))", cwd=tmp_path) for _ in range(3)}
    assert len(pids) == 3
    assert all(len(set(pid.split())) == 1 for pid in pids)


def test_any_number_of_files_may_be_open(tmp_path: Path) -> None:
    """Here, when its parent is started and when it is: no descriptor is too high."""
    wanted = 1100
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], 2 * wanted), limit[1]))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(wanted)]
    try:
        parent = warm.Parent(ENTRY, sys.executable, ())
        with (tmp_path / "said").open("w+b") as said:
            child = parent.start(
                ["told", *ONCE, "print('heard')"],
                os.environ,
                str(tmp_path),
                [files[0], said.fileno(), files[1]],
            )
            assert child.wait(TIMEOUT_SECONDS) == 0
            said.seek(0)
            assert said.read().startswith(b"heard")
        parent.close()
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_it_holds_none_of_the_files_of_others(tmp_path: Path) -> None:
    """Whoever waits for the end of a pipe waits for those only who were given it."""
    files = told(
        "import os; print(*sorted(os.readlink(f'/proc/self/fd/{n}') for n in range(3, 64) "
        "if os.path.exists(f'/proc/self/fd/{n}')))",
        cwd=tmp_path,
    )
    assert "pipe:" not in files
    assert "socket:" not in files


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os; os._exit(3)", 3),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 1),
    ],
)
def test_it_ends_as_it_would_by_itself(tmp_path: Path, code: str, status: int) -> None:
    """Its exit code, or the signal; what it has said until then is there."""
    done = finished(
        f"import sys; print('said', flush=True); print('wept', file=sys.stderr); {code}", cwd=tmp_path
    )
    assert done.returncode == status
    assert done.stdout.startswith("said\n")
    assert done.stderr.startswith("wept\n")


def test_what_was_to_happen_at_its_exit_happens(tmp_path: Path) -> None:
    """Threads are waited for, and whoever registered is called."""
    code = (
        "import atexit, threading, time; atexit.register(print, 'at exit'); "
        "threading.Timer(0.1, print, ['late']).start()"
    )
    lines = finished(code, cwd=tmp_path).stdout.splitlines()
    assert lines[-2:] == ["late", "at exit"]


def test_who_takes_too_long_is_killed(tmp_path: Path) -> None:
    """The next one is not kept waiting."""
    with pytest.raises(TimeoutError):
        finished(
            "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)",
            cwd=tmp_path,
            timeout=2,
        )
    assert told("print(1)", cwd=tmp_path) == "1"
    left = tmp_path / "pid"
    assert not left.exists() or not os.path.exists(f"/proc/{left.read_text()}/exe")
