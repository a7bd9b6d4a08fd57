"""The command line of apus-ring-builder: which subcommand, with which words and options.

    FILE [SUBCOMMAND [words and options in any order]] ──▶ run() ──▶ 0 done, 1 warning, 2 error

The grammar is swift-ring-builder's. What a subcommand does is in show.py, devices.py and tables.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from ...common.errors import Corrupt, Refused
from ..builder import Builder
from ..builder_file import read_builder
from ..search import SYNTAX
from . import devices, settings, show, tables
from .session import Exit, Session, file_names, locked

Command = Callable[[Session], Exit]

COMMANDS: dict[str, Command] = {
    "default": show.overview,
    "search": show.search,
    "list_parts": show.list_parts,
    "dispersion": show.dispersion,
    "version": show.version,
    "create": tables.create,
    "rebalance": tables.rebalance,
    "validate": tables.validate,
    "write_ring": tables.write_ring,
    "write_builder": tables.write_builder,
    "add": devices.add,
    "set_weight": devices.set_weight,
    "set_region": devices.set_region,
    "set_zone": devices.set_zone,
    "set_info": devices.set_info,
    "remove": devices.remove,
    "pretend_min_part_hours_passed": settings.pretend_min_part_hours_passed,
    "set_min_part_hours": settings.set_min_part_hours,
    "set_replicas": settings.set_replicas,
    "set_overload": settings.set_overload,
    "prepare_increase_partition_power": settings.prepare_increase_partition_power,
    "increase_partition_power": settings.increase_partition_power,
    "cancel_increase_partition_power": settings.cancel_increase_partition_power,
    "finish_increase_partition_power": settings.finish_increase_partition_power,
}
WITHOUT_BUILDER = {"create", "write_builder", "version"}
READ_ONLY = {"default", "search", "list_parts", "version", "validate"}
# Device options of the subcommands that take a search or describe a device, as swift-ring-builder has them.
DEVICE_OPTIONS: tuple[tuple[str, str, type], ...] = (
    ("-u", "--id", int),
    ("-r", "--region", int),
    ("-z", "--zone", int),
    ("-i", "--ip", str),
    ("-p", "--port", int),
    ("-j", "--replication-ip", str),
    ("-q", "--replication-port", int),
    ("-d", "--device", str),
    ("-w", "--weight", float),
    ("-m", "--meta", str),
    ("-I", "--change-ip", str),
    ("-P", "--change-port", int),
    ("-J", "--change-replication-ip", str),
    ("-Q", "--change-replication-port", int),
    ("-D", "--change-device", str),
    ("-M", "--change-meta", str),
)


def run(argv: Sequence[str]) -> int:
    """Do what the words after the program's name ask for; return the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return Exit.DONE
    name = argv[1] if len(argv) > 1 and not argv[1].startswith("-") else "default"
    rest = list(argv[2:] if name != "default" or argv[1:2] == ["default"] else argv[1:])
    command = COMMANDS.get(name)
    if command is None:
        print(f"Unknown command: {name}")
        return Exit.ERROR
    try:
        return _run_command(command, name, argv[0], rest)
    except (Refused, Corrupt, OSError) as error:
        print(error)
        return Exit.ERROR


def _run_command(command: Command, name: str, given: str, rest: list[str]) -> int:
    parser = parser_of(name)
    options = parser.parse_intermixed_args(rest)
    builder_path, ring_path = file_names(given)
    if str(builder_path) != given and name not in WITHOUT_BUILDER:
        print(f"Note: using {builder_path} instead of {given} as builder file", file=sys.stderr)
    session = Session(builder_path, ring_path, words=options.words, options=options)
    folder = builder_path.absolute().parent
    with nullcontext() if name in READ_ONLY or not folder.is_dir() else locked(folder):
        session.loaded = _loaded(builder_path, name)
        return command(session)


def _loaded(path: Path, name: str) -> Builder | None:
    if name in WITHOUT_BUILDER:
        return None
    try:
        return read_builder(path)
    except FileNotFoundError as error:
        raise Refused(f"Ring builder file does not exist: {path}") from error


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser for what follows a subcommand."""
    parser = argparse.ArgumentParser(
        prog=f"apus-ring-builder FILE {name}",
        description=(COMMANDS[name].__doc__ or "").strip(),
        epilog=SYNTAX if name in show.SEARCHES or name in devices.SEARCHES else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="ARGUMENT")
    if name in show.SEARCHES or name in devices.SEARCHES or name == "add":
        for short, long, kind in DEVICE_OPTIONS:
            parser.add_argument(short, long, type=kind)
        parser.add_argument("-y", "--yes", action="store_true", help="answer every question with yes")
    if name in ("default", "search", "list_parts", "dispersion"):
        parser.add_argument("--json", action="store_true", help="print one JSON document for programs")
    if name in ("rebalance", "write_ring"):
        parser.add_argument("--format-version", type=int, choices=(1, 2), default=1)
    if name == "write_ring":
        parser.add_argument("--dev-id-bytes", type=int, choices=(2, 4))
    if name == "rebalance":
        parser.add_argument("-f", "--force", action="store_true", help="save even what changes little")
        parser.add_argument("-s", "--seed", help="the same seed gives the same ring")
        parser.add_argument("-d", "--debug", action="store_true", help="print what each tier should hold")
    if name == "dispersion":
        parser.add_argument("-v", "--verbose", action="store_true", help="print every tier")
        parser.add_argument("--recalculate", action="store_true", help="count anew and save")
    return parser


def usage() -> str:
    """Return the summary of all subcommands."""
    lines = ["apus-ring-builder FILE [SUBCOMMAND ...]", ""]
    for name, command in sorted(COMMANDS.items()):
        first = (command.__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {name}\n      {first}")
    lines += ["", SYNTAX, "Exit codes: 0 done, 1 done with a warning or nothing changed, 2 error"]
    return "\n".join(lines)
