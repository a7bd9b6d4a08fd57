"""The command line of `apus`: the options, arguments and environment variables of `swift`, and a few more.

    argv, environment ──▶ read() ──▶ Order(command, words, options) ──▶ connection_options()

Options that say where the store is and how to talk may stand before or after the command, as with `swift`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swiftclient.service import process_options
from swiftclient.utils import config_true_value, parse_timeout

from ...common.errors import Refused
from .command import Command, refuse_empty
from .commands import COMMANDS

_OS_VALUES = (
    "username", "user-id", "user-domain-id", "user-domain-name", "password", "tenant-id", "tenant-name",
    "project-id", "project-name", "project-domain-id", "project-domain-name", "auth-url", "auth-type",
    "application-credential-id", "application-credential-secret", "auth-token", "storage-url", "region-name",
    "service-type", "endpoint-type", "cacert", "cert", "key",
)  # fmt: skip
_ACCOUNT = (
    ("-A", "auth", "ST_AUTH", "where to log in"),
    ("-U", "user", "ST_USER", "user"),
    ("-K", "key", "ST_KEY", "the user's key"),
)
_TALK_SWITCHES = {
    "no-progress": "no progress bars on a terminal either",
    "force-auth-retry": "log in anew on any error",
    "debug": "show every request",
    "debug-with-secrets": argparse.SUPPRESS,
    "info": "show requests that are answered with an error",
}
ON, OFF = True, False
_VERSION_VARIABLES = ("ST_AUTH_VERSION", "OS_AUTH_VERSION", "OS_IDENTITY_API_VERSION")
_USAGE = "apus [options] COMMAND [options] [arguments]"
_ADVICE = """Say where the store is and who you are:
  ST_AUTH, ST_USER and ST_KEY, or -A, -U and -K                          auth v1
  OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, ... with -V 3  Keystone
  OS_STORAGE_URL and OS_AUTH_TOKEN                                       a token that you have"""
_EPILOG = """exit codes: 0 done, 1 something failed, 2 used wrongly, 3 there is no such thing, 4 not allowed,
5 the store cannot be reached or is in trouble, 130 interrupted, 141 whoever read the answers has gone.
`apus COMMAND --help` says more."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered."""

    command: Command
    words: list[str]
    options: argparse.Namespace


def read(argv: Sequence[str], environment: Mapping[str, str]) -> Order:
    """Understand a command line; argparse leaves with exit code 2 where it is wrong, with 0 after --help."""
    known, action, rest = _before_the_command(argv, environment)
    command = COMMANDS[action]
    parser = argparse.ArgumentParser(
        prog=f"apus {action}",
        usage=f"apus {action} {command.usage}",
        description=command.summary,
        epilog=command.notes,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    command.add_options(parser)
    _with_common(
        parser, environment, lambda _value: argparse.SUPPRESS
    )  # What stood before the command stands.
    try:
        options = parser.parse_intermixed_args(rest, known)
        refuse_empty(options.words)
        command.check(options.words, options)
    except Refused as problem:
        parser.error(str(problem))
    options.action = action
    return Order(command, options.words, options)


def _before_the_command(
    argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[argparse.Namespace, str, list[str]]:
    """Return what the options before the command say, the command, and what comes behind it, not yet read."""
    common = _common(environment)
    reader = argparse.ArgumentParser(
        prog="apus", usage=_USAGE, parents=[common], add_help=False, allow_abbrev=False
    )
    reader.add_argument("action", nargs="?")
    reader.add_argument("rest", nargs=argparse.REMAINDER)
    known, strange = reader.parse_known_args(list(argv))
    if strange or known.action not in COMMANDS:
        parser = _overview(common)
        parser.parse_args(strange)
        if known.action is not None:
            parser.error(f"there is no command {known.action!r}")
        parser.print_help()
        raise SystemExit(2)
    action, rest = known.action, known.rest
    del known.action, known.rest
    return known, action, rest


def connection_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return swiftclient's options for the account; Refused where it cannot be told which."""
    chosen = talking_options(options)
    has_token = chosen["os_auth_token"] and chosen["os_storage_url"]
    has_application = chosen["os_application_credential_id"] and chosen["os_application_credential_secret"]
    who = chosen["user"] or chosen["os_user_id"]
    if not has_token and not (chosen["auth"] and ((who and chosen["key"]) or has_application)):
        raise Refused(f"it is not known whose account is meant.\n{_ADVICE}")
    return chosen


def talking_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return swiftclient's options, whoever it is."""
    chosen = dict(vars(options))
    process_options(chosen)
    return chosen


def _common(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The options of every command, before it; their defaults come from the environment."""
    return _with_common(
        argparse.ArgumentParser(add_help=False, allow_abbrev=False), environment, lambda value: value
    )


def _with_common(
    parser: argparse.ArgumentParser, environment: Mapping[str, str], default: Callable[[Any], Any]
) -> argparse.ArgumentParser:
    group = parser.add_argument_group("the store, and who you are")
    for short, name, variable, what in _ACCOUNT:
        value = environment.get(variable)
        group.add_argument(short, f"--{name}", default=default(value), help=f"{what} [{variable}]")
    version = next((environment[name] for name in _VERSION_VARIABLES if environment.get(name)), "1.0")
    group.add_argument(
        "-V", "--auth-version", "--os-identity-api-version",
        default=default(version), help="1, 2 or 3 [ST_AUTH_VERSION]",
    )  # fmt: skip
    for name in _OS_VALUES:
        value = environment.get(f"OS_{name.upper().replace('-', '_')}")
        group.add_argument(
            f"--os-{name}", f"--os_{name.replace('-', '_')}", default=default(value), help=argparse.SUPPRESS
        )
    insecure = config_true_value(environment.get("SWIFTCLIENT_INSECURE"))
    switches = {"prompt": (False, "ask for the key"), "insecure": (insecure, "do not check certificates")}
    for name, (value, what) in switches.items():
        group.add_argument(f"--{name}", action="store_true", default=default(value), help=what)
    talk = parser.add_argument_group("how to talk")
    talk.add_argument(
        "-T", "--timeout", type=parse_timeout, default=default(None), help="seconds to wait for an answer"
    )
    talk.add_argument("-R", "--retries", type=int, default=default(5), help="how often to try again (5)")
    talk.add_argument("-v", "--verbose", action="count", default=default(1), help="tell more")
    talk.add_argument(
        "-q",
        "--quiet",
        action="store_const",
        dest="verbose",
        const=0,
        default=default(1),
        help="tell errors only",
    )
    talk.add_argument("-j", "--json", action="store_true", default=default(OFF), help="JSON for scripts")
    talk.add_argument(
        "--no-ssl-compression", action="store_false", dest="ssl_compression", default=default(ON),
        help=argparse.SUPPRESS,
    )  # fmt: skip
    for name, what in _TALK_SWITCHES.items():
        talk.add_argument(f"--{name}", action="store_true", default=default(OFF), help=what)
    return parser


def _overview(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    lines = [f"  {name:<14}{command.summary}" for name, command in COMMANDS.items() if not command.is_alias]
    return argparse.ArgumentParser(
        prog="apus",
        usage=_USAGE,
        description="Containers and objects of an Apus or OpenStack Swift store.\n\ncommands:\n"
        + "\n".join(lines),
        epilog=_EPILOG,
        parents=[common],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
