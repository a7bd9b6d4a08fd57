"""One parent that imports everything once and forks each process of the cluster from itself.

    stdin: JSON {"mode": "start" | "run", "services": [{module, argv, log, pid_file, announces}]}
        start ──▶ every child is on its own (session, log, title), its pid is in its pid file;
                  stdout says which of those that announce it (with --ready-fd) are ready
        run   ──▶ one child after the other, to its end; their exit statuses go to stdout

Importing eventlet and ourselves costs a few tenths of a CPU second; fifty processes of a laptop cluster
would pay that fifty times. It knows nothing of rings, ports or confs.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from ...common.concurrency import start_afresh
from .identity import Identity
from .order import Birth, Order


def main() -> int:
    """Read the order from stdin and carry it out."""
    order: Order = json.load(sys.stdin)
    for birth in order["services"]:
        importlib.import_module(birth["module"])
    gc.collect()
    gc.freeze()  # The children share these pages; no collection of theirs should touch and copy them.
    if order["mode"] == "start":
        _start(order["services"])
    else:
        _run(order["services"])
    return 0


def _start(births: list[Birth]) -> None:
    announcements: list[int] = []
    for birth in births:
        hears, says = os.pipe()
        pid = _fork(birth, [*announcements, hears], says)
        os.close(says)
        announcements.append(hears)
        _register(birth, pid)
    for birth, hears in zip(births, announcements, strict=True):
        ready = not birth["announces"] or os.read(hears, 1) != b""
        print(json.dumps({"argv": birth["argv"], "ready": ready}), flush=True)


def _run(births: list[Birth]) -> None:
    for birth in births:
        status = _wait(_fork(birth, [], None))
        print(json.dumps({"argv": birth["argv"], "status": status}), flush=True)


def _fork(birth: Birth, foreign: list[int], says: int | None) -> int:
    Path(birth["log"]).parent.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        for descriptor in foreign:
            os.close(descriptor)
        if says is not None:
            os.setsid()  # On its own: neither this parent's end nor a person's Ctrl-C reaches it.
        if birth["announces"]:
            birth["argv"] += ["--ready-fd", str(says)]
        elif says is not None:
            os.close(says)
        _become(birth)
    return pid


def _register(birth: Birth, pid: int) -> None:
    pid_file = Path(birth["pid_file"])
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    identity = Identity.of(pid)
    if identity is not None:
        draft = pid_file.with_suffix(".new")
        draft.write_text(f"{identity.pid} {identity.started}\n")
        draft.rename(pid_file)


def _wait(pid: int) -> int:
    done = os.waitid(os.P_PID, pid, os.WEXITED)
    assert done is not None
    return done.si_status if done.si_code == os.CLD_EXITED else 128 + done.si_status


def _become(birth: Birth) -> NoReturn:
    """Be the child: run the module's main() to its end."""
    status = 1
    try:
        _redirect(birth["log"])
        sys.argv = birth["argv"]
        _set_title(birth["argv"][:2])
        start_afresh()
        status = importlib.import_module(birth["module"]).main() or 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - the child's last words; a traceback must not run the parent's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)


def _set_title(argv: list[str]) -> None:
    """Write argv over this process's own command line, so that ps shows what it is."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5), counted from the state
    title = "\0".join(argv).encode()[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, title, len(title))
    name = argv[0].removeprefix("apus-").encode()[:15]
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)  # PR_SET_NAME: what top and /proc/PID/comm show


if __name__ == "__main__":
    sys.exit(main())
