"""The command line, as `swift` reads it."""

from __future__ import annotations

import pytest

from apus.bin.client.options import connection_options, read
from apus.common.errors import Refused

KNOWN = {"ST_AUTH": "http://s/auth/v1.0", "ST_USER": "u", "ST_KEY": "k"}


def test_options_may_stand_before_and_after_the_command() -> None:
    """And between the arguments."""
    order = read(["-A", "http://x", "upload", "c", "-S", "5M", "one", "-U", "me", "two"], KNOWN)
    assert order.words == ["c", "one", "two"]
    assert (order.options.auth, order.options.user, order.options.key) == ("http://x", "me", "k")
    assert order.options.segment_size == 5 << 20


def test_a_name_with_a_dash_comes_after_two() -> None:
    """`--` ends the options."""
    assert read(["upload", "c", "--", "-dash"], KNOWN).words == ["c", "-dash"]


@pytest.mark.parametrize(
    "line",
    ["frob", "upload c", "download", "list a b", "stat a/b", "tempurl GET", "sync a b", "sync store:a store:b",
     "upload c x -S five", "download c -o f", "delete", "list -t", "upload c -", "--frob list", "list -m x",
     "post c -m colour", "post c -H :blue"],
)  # fmt: skip
def test_wrong_use_is_exit_code_2(line: str) -> None:
    """Before anybody logs in."""
    with pytest.raises(SystemExit) as leaving:
        read(line.split(), KNOWN)
    assert leaving.value.code == 2


def test_an_empty_name_is_refused() -> None:
    """`apus delete "$UNSET"` would mean the containers of the account, as if they were objects."""
    for action in ("list", "delete", "post", "stat"):
        with pytest.raises(SystemExit):
            read([action, ""], KNOWN)
    with pytest.raises(SystemExit):
        read(["upload", "c", ""], KNOWN)


@pytest.mark.parametrize("line", ["a: b\r\nX-Evil: c", "a: b\nc", "a: \0"])
def test_a_header_has_one_line(line: str) -> None:
    """What is within it stays within it."""
    with pytest.raises(SystemExit):
        read(["post", "c", "-H", line], KNOWN)


def test_short_switches_may_stand_together() -> None:
    """Those for every command, and those of this one."""
    order = read(["-qj", "list", "-jl", "c"], KNOWN)
    assert (order.options.json, order.options.long, order.options.verbose, order.words) == (
        True,
        True,
        0,
        ["c"],
    )


def test_the_environment_says_who() -> None:
    """ST_* for auth v1, OS_* for Keystone, a token for both."""
    assert connection_options(read(["list"], KNOWN).options)["user"] == "u"
    keystone = {
        "OS_AUTH_URL": "http://k/v3",
        "OS_USERNAME": "n",
        "OS_PASSWORD": "p",
        "OS_PROJECT_DOMAIN_NAME": "d",
    }
    chosen = connection_options(read(["list"], keystone).options)
    assert (chosen["auth"], chosen["user"], chosen["auth_version"]) == ("http://k/v3", "n", "3")
    token = {"OS_AUTH_TOKEN": "t", "OS_STORAGE_URL": "http://s/v1/a"}
    assert connection_options(read(["list"], token).options)["os_options"]["auth_token"] == "t"


def test_nobody_is_refused_with_advice() -> None:
    """The sentence says which variables are missing."""
    with pytest.raises(Refused, match="ST_AUTH"):
        connection_options(read(["list"], {}).options)
