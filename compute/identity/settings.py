"""What an operator may set of the identity service."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """The settings of [app:identity-server]."""

    database: str = setting(
        "sqlite:////var/lib/apus/identity.db",
        help="Where everything is kept: sqlite:////FILE, postgresql+pg8000://…, or mysql+pymysql://….",
    )
    token_keys: str = setting(
        "/etc/apus/identity/public",
        help="Folder into which public keys and revocations are published. Services on this machine read it; "
        "a service elsewhere is given a copy of its *.pem, and asks this service for the rest.",
    )
    private_keys: str = setting(
        "/etc/apus/identity/private",
        help="Folder of the keys that sign tokens and encrypt credentials. Nobody else may read it.",
    )
    token_seconds: int = setting(14400, help="How long a token is good for.", minimum=60, maximum=604800)
    clock_skew_seconds: int = setting(
        30, help="A token that was signed with a retired key counts for so much longer.", minimum=0
    )
    public_url: str = setting(
        "",
        help="This service's address in links and in discovery, as http://HOST:5000. Empty: as it is called.",
    )
    default_domain_id: str = setting("default", help="Domain of those who name none.")
    password_length_min: int = setting(1, help="Shorter new passwords are refused.", minimum=1, maximum=128)
    password_memory_kib: int = setting(
        19456, help="Memory that hashing a password takes (Argon2id).", minimum=64, maximum=1048576
    )
    password_passes: int = setting(2, help="Passes over that memory.", minimum=1, maximum=64)
    lockout_failures: int = setting(
        10, help="After so many wrong passwords in a row a user is locked out. 0: never.", minimum=0
    )
    lockout_seconds: int = setting(300, help="For how long.", minimum=1)
    domain_admin_roles: tuple[str, ...] = setting(
        ("member", "reader", "swiftoperator"),
        help="Roles that an administrator of a domain may give and take within it.",
    )
    catalog_region: str = setting("RegionOne", help="Region of endpoints for which none is named.")
