"""apus-aio: a whole store on one machine.

    apus-aio COMMAND ──▶ environment and home ──▶ Cluster's method ──▶ words or JSON, exit code

Exit codes: 0 done, 1 failed (the message says what to do), 2 used wrongly; `status` also: 1 something
is down, 3 everything is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from ..common.errors import ApusError, Refused
from .allinone import report
from .allinone.cluster import Cluster
from .allinone.layout import DAEMONS, Layout

DEFAULT_HOME, DEFAULT_PORT, DEFAULT_NODES, DEFAULT_WORKERS = "./var", 8080, 4, 1
EXIT_PARTLY_DOWN, EXIT_DOWN = 1, 3
STORE_ONLY, EVERYTHING = "store", "all"
_WHEN_DAEMONS_RUN = {True: "background", False: "once"}
_WHETHER_AGENTS_RUN = {True: "auto", False: "none"}

ENVIRONMENT = """
\b
APUS_HOME      ./var      all state: devices, rings, confs, logs, pids
APUS_PORT      8080       the proxy; node N has the ports from APUS_PORT + 10 N
APUS_NODES     4          storage nodes, one device each, one zone each
APUS_WORKERS   1          worker processes of each server
APUS_DAEMONS   background replicators, auditors and the like run all the time; with
                          "once" only when `apus-aio once` runs them
APUS_SERVICES  store      "all" adds identity, images, volumes, servers and networks, on
                          the seven ports after APUS_PORT
APUS_AGENTS    auto       with "all", servers run on this machine where they can; "none"
                          leaves it alone
APUS_BIND      127.0.0.1  where the proxy listens; beyond loopback only with
                          users of your own in APUS_HOME/users.conf
"""


@click.group(help=f"A whole Apus store on this machine: real daemons, one process per role.\n{ENVIRONMENT}")
def cli() -> None:
    """Hold the commands together."""


@cli.command()
def up() -> None:
    """Start what is to run, prove that it works and say how to use it."""
    services = os.environ.get("APUS_SERVICES") or STORE_ONLY
    if services not in (STORE_ONLY, EVERYTHING):
        raise Refused(f"APUS_SERVICES={services}: expected {STORE_ONLY} or {EVERYTHING}")
    cluster = _existing_or_new()
    wants_agents = _agents(default=cluster.layout.wants_agents)
    risen = cluster.up(with_cloud=services == EVERYTHING, wants_agents=wants_agents)
    report.risen(cluster, risen, _console())


@cli.command()
def down() -> None:
    """Stop every process; the data stays."""
    ended = _existing().down()
    click.echo(f"{ended} processes ended; the data stays." if ended else "nothing ran")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")
def status(as_json: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Say what runs."""
    cluster = _existing()
    facts = report.status(cluster)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        report.table(cluster, _console())
    missing = len(cluster.layout.services) - len(facts["processes"])
    if missing:
        sys.exit(EXIT_PARTLY_DOWN if facts["processes"] else EXIT_DOWN)


@cli.command()
@click.argument("node")
def kill(node: str) -> None:
    """SIGKILL all processes of a storage node."""
    click.echo(f"{_existing().kill(node)} processes of {node} killed")


@cli.command()
@click.argument("node")
def start(node: str) -> None:
    """Start the processes of a storage node again."""
    click.echo(f"{_existing().start(node)} processes of {node} started")


@cli.command()
@click.argument("device", metavar="NODE/DEVICE")
def wipe(device: str) -> None:
    """Empty a device, as a disk swapped for a new one."""
    click.echo(f"{_existing().wipe(device)} is empty now")


@cli.command("add-node")
def add_node() -> None:
    """Grow by a storage node, rebalance and distribute the rings."""
    node = _existing().add_node()
    click.echo(f"{node.name} joined with {node.name}/{node.device}; the replicators will fill it")


@cli.command("remove-node")
@click.argument("node")
def remove_node(node: str) -> None:
    """Empty a storage node into the others, then take it out of the rings."""
    gone = _existing().remove_node(node)
    click.echo(f"{gone.name} left the rings and is stopped; its folder {gone.folder} may be deleted")


@cli.command()
@click.argument("daemons", nargs=-1, required=True, metavar="DAEMON...")
def once(daemons: tuple[str, ...]) -> None:
    """Run daemons once in the foreground on all live nodes, in the order given."""
    failed = False
    for service, code in _existing().once(daemons):
        if code:
            failed = True
            click.echo(f"{service.place}'s {service.role} failed ({code}); see {service.log}", err=True)
    if failed:
        sys.exit(1)


once.help = f"{once.help}\n\nDaemons: {', '.join(DAEMONS)}"


def main(argv: list[str] | None = None) -> int:
    """Run one command; every known trouble is one plain sentence and an exit code."""
    command: Callable[..., object] = cli.main
    try:
        command(args=argv, prog_name="apus-aio", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except click.Abort:
        return 1
    except ApusError as problem:
        click.echo(f"apus-aio: {problem}", err=True)
        return 2 if isinstance(problem, Refused) else 1
    return 0


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _home() -> Path:
    return Path(os.environ.get("APUS_HOME", DEFAULT_HOME)).absolute()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{name}={text}: expected a whole number") from None


def _background(*, default: bool) -> bool:
    text = os.environ.get("APUS_DAEMONS") or _WHEN_DAEMONS_RUN[default]
    if text not in _WHEN_DAEMONS_RUN.values():
        raise Refused(f"APUS_DAEMONS={text}: expected {' or '.join(_WHEN_DAEMONS_RUN.values())}")
    return text == _WHEN_DAEMONS_RUN[True]


def _agents(*, default: bool) -> bool:
    text = os.environ.get("APUS_AGENTS") or _WHETHER_AGENTS_RUN[default]
    if text not in _WHETHER_AGENTS_RUN.values():
        raise Refused(f"APUS_AGENTS={text}: expected {' or '.join(_WHETHER_AGENTS_RUN.values())}")
    return text == _WHETHER_AGENTS_RUN[True]


def _existing() -> Cluster:
    cluster = Cluster.at(_home())
    if cluster is None:
        raise Refused(f"there is no cluster in {_home()}; `apus-aio up` makes one, APUS_HOME names another")
    return cluster


def _existing_or_new() -> Cluster:
    cluster = Cluster.at(_home())
    if cluster is None:
        try:
            return Cluster(
                Layout.fresh(
                    _home(),
                    bind_ip=os.environ.get("APUS_BIND", "127.0.0.1"),
                    port=_number("APUS_PORT", DEFAULT_PORT),
                    workers=_number("APUS_WORKERS", DEFAULT_WORKERS),
                    nodes=_number("APUS_NODES", DEFAULT_NODES),
                    background=_background(default=True),
                )
            )
        except ValueError as problem:
            raise Refused(str(problem)) from problem
    _refuse_other_shape(cluster.layout)
    return cluster


def _refuse_other_shape(layout: Layout) -> None:
    asked = {
        "APUS_PORT": layout.port,
        "APUS_WORKERS": layout.workers,
        "APUS_NODES": len(layout.numbers),
    }
    for name, made_with in asked.items():
        if _number(name, made_with) != made_with:
            hint = "; `apus-aio add-node` and `remove-node` change it" if name == "APUS_NODES" else ""
            raise Refused(
                f"the cluster in {layout.home} was made with {name}={made_with}{hint}; "
                "leave the variable out, or set APUS_HOME for another cluster"
            )
    if _background(default=layout.background) != layout.background:
        moment = _WHEN_DAEMONS_RUN[layout.background]
        raise Refused(
            f"the cluster in {layout.home} was made with APUS_DAEMONS={moment}; "
            "leave the variable out, or set APUS_HOME for another cluster"
        )
    if layout.has_cloud and _agents(default=layout.wants_agents) != layout.wants_agents:
        whether = _WHETHER_AGENTS_RUN[layout.wants_agents]
        raise Refused(
            f"the cloud in {layout.home} was made with APUS_AGENTS={whether}; "
            "leave the variable out, or set APUS_HOME for another cluster"
        )


if __name__ == "__main__":
    sys.exit(main())
