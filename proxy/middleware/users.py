"""The users that a configuration names, and what each is allowed to be.

    user_test_tester = testing .admin          ──▶ User("test:tester", key, groups, storage URL)
    user64_<base64>_<base64> = key [group…] [url]

`.admin` becomes the names of the user's own accounts, as in OpenStack Swift: being in the group of an
account's name is what makes somebody its administrator. It does not know tokens or requests.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ...common.errors import Refused
from .resellers import Resellers

ADMIN = ".admin"
PREFIXES = ("user_", "user64_")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may ask for a token."""

    name: str
    key: str
    groups: tuple[str, ...]
    storage_url: str


def users_from_options(options: Mapping[str, str], resellers: Resellers) -> dict[str, User]:
    """Return the users by name.

    Raises:
        Refused: naming the option that is malformed.
    """
    users = (_user(option, options[option], resellers) for option in options if option.startswith(PREFIXES))
    return {user.name: user for user in users}


def _user(option: str, value: str, resellers: Resellers) -> User:
    account, name = _names(option)
    words = value.split()
    if not words:
        raise Refused(f"{option}: no key is set; expected `key [group ...] [storage_url]`")
    key, *rest = words
    url = rest.pop() if rest and ("://" in rest[-1] or "$HOST" in rest[-1]) else ""
    url = url or f"$HOST/v1/{resellers.token_prefix}{quote(account)}"
    groups = [account, f"{account}:{name}", *(group for group in rest if group != ADMIN)]
    if ADMIN in rest:
        groups += [*resellers.accounts_named(account), unquote(url.rsplit("/", 1)[-1])]
    return User(f"{account}:{name}", key, tuple(dict.fromkeys(groups)), url)


def _names(option: str) -> tuple[str, str]:
    kind, _, rest = option.partition("_")
    parts = rest.split("_")
    if len(parts) != 2:
        raise Refused(
            f"{option}: expected {kind}_ACCOUNT_USER; names with underscores go into user64_ as base64"
        )
    if kind == "user":
        return parts[0], parts[1]
    try:
        account, name = (
            base64.b64decode(part + "=" * (-len(part) % 4), validate=True).decode() for part in parts
        )
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise Refused(f"{option}: account and user must be base64 of UTF-8, without equal signs") from problem
    return account, name


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
