"""How a service logs in to the store: the options `store_*` of its section."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Settings of the account in the store."""

    store_auth_url: str = setting(
        "http://127.0.0.1:8080/auth/v1.0",
        help="Where the store's log-in is: for version 1 the whole address, for 3 that of Keystone's /v3.",
    )
    store_auth_version: str = setting(
        "1", help="Kind of log-in: 1 (tempauth) or 3 (Keystone).", choices=("1", "3")
    )
    store_user: str = setting("service:cloud", help="User; for version 1 with its account, account:user.")
    store_key: str = setting("", help="The user's key or password.")
    store_project: str = setting("service", help="Version 3: the user's project.")
    store_domain: str = setting("Default", help="Version 3: domain of user and project, by name.")
    store_url: str = setting(
        "", help="The account's URL, where the one that log-in returns is not to be used. Empty: that one."
    )
    store_region: str = setting("", help="Version 3: region of the store's endpoint. Empty: any.")
    store_cacert: str = setting("", help="File of the authorities that a store by https is checked with.")
    store_timeout_seconds: float = setting(
        60.0, help="How long to wait for a connection and for each piece of an answer.", minimum=0.1
    )
    store_retries: int = setting(
        4, help="How often a request that may be repeated is repeated.", minimum=0, maximum=20
    )
    store_connections: int = setting(
        16, help="Connections kept open to the store when they're not in use.", minimum=1, maximum=1000
    )
