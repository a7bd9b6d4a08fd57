"""What the identity service remembers, as tables.

    domains ◀── projects, users, groups, roles        assignments: who has which role where
    services ◀── endpoints ──▶ regions                credentials, application_credentials: further secrets
    revocations: which tokens have ended before their time

Ids are 32 hexadecimal digits, times unix seconds. What a client says beyond what is known here stands in
`extra` and is given back. A column that is compared in a unique constraint is never NULL: "" stands for
none.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _id() -> Column[str]:
    return Column("id", String(64), primary_key=True)


def _ref(name: str, **options: Any) -> Column[str]:
    return Column(name, String(64), nullable=False, **options)


def _described() -> list[Column[Any]]:
    return [
        Column("description", Text, nullable=False, default=""),
        Column("extra", JSON, nullable=False, default=dict),
        Column("options", JSON, nullable=False, default=dict),
    ]


def _enabled() -> Column[bool]:
    return Column("enabled", Boolean, nullable=False, default=True)


def _name() -> Column[str]:
    return Column("name", String(255), nullable=False)


domains = Table(
    "domains",
    metadata,
    _id(),
    _name(),
    _enabled(),
    *_described(),
    UniqueConstraint("name", name="uq_domains"),
)

projects = Table(
    "projects",
    metadata,
    _id(),
    _ref("domain_id"),
    _name(),
    _ref("parent_id", index=True),  # The domain's id where it has no other parent.
    _enabled(),
    *_described(),
    UniqueConstraint("domain_id", "name", name="uq_projects"),
)

tags = Table(
    "tags",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
)

users = Table(
    "users",
    metadata,
    _id(),
    _ref("domain_id"),
    _name(),
    _enabled(),
    Column("default_project_id", String(64)),
    Column("password_hash", String(255)),  # None: no password opens it.
    Column("password_changed_at", Double),
    Column("created_at", Double, nullable=False),
    Column("failures", Integer, nullable=False, default=0),  # Wrong passwords since the last right one.
    Column("failed_at", Double, nullable=False, default=0.0),
    *_described(),
    UniqueConstraint("domain_id", "name", name="uq_users"),
)

groups = Table(
    "groups",
    metadata,
    _id(),
    _ref("domain_id"),
    _name(),
    *_described(),
    UniqueConstraint("domain_id", "name", name="uq_groups"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("group_id", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True, index=True),
)

roles = Table(
    "roles",
    metadata,
    _id(),
    _ref("domain_id"),  # "" for those that count in all domains.
    _name(),
    *_described(),
    UniqueConstraint("domain_id", "name", name="uq_roles"),
)

implications = Table(
    "implications",
    metadata,
    Column("prior_id", String(64), primary_key=True),
    Column("implied_id", String(64), primary_key=True),
)

assignments = Table(
    "assignments",
    metadata,
    Column("actor", String(8), primary_key=True),  # "user" or "group"
    Column("actor_id", String(64), primary_key=True),
    Column("target", String(8), primary_key=True),  # "project", "domain" or "system"
    Column("target_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True),
    Column("inherited", Boolean, primary_key=True),  # For all projects below, and not for the target itself.
)

regions = Table(
    "regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("parent_region_id", String(255)),
    *_described(),
)

services = Table(
    "services",
    metadata,
    _id(),
    Column("type", String(255), nullable=False),
    Column("name", String(255)),
    _enabled(),
    *_described(),
)

endpoints = Table(
    "endpoints",
    metadata,
    _id(),
    _ref("service_id", index=True),
    Column("interface", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("region_id", String(255)),
    Column("name", String(255)),
    _enabled(),
    *_described(),
)

credentials = Table(
    "credentials",
    metadata,
    _id(),  # Of an access key: the SHA-256 of its first access.
    _ref("user_id", index=True),
    Column("project_id", String(64)),
    Column("type", String(255), nullable=False),
    Column("access_hash", String(64), index=True),  # SHA-256 of an access key's access.
    Column("sealed", Text, nullable=False),  # Encrypted: requests are signed with it, so it must be known.
    *_described(),
)

application_credentials = Table(
    "application_credentials",
    metadata,
    _id(),
    _ref("user_id"),
    _name(),
    _ref("project_id", index=True),
    Column("secret_hash", String(255), nullable=False),
    Column("expires_at", Double),
    Column("unrestricted", Boolean, nullable=False),
    Column("role_ids", JSON, nullable=False),
    Column("rule_ids", JSON),  # None: every kind of request is allowed.
    *_described(),
    UniqueConstraint("user_id", "name", name="uq_application_credentials"),
)

access_rules = Table(
    "access_rules",
    metadata,
    _id(),
    _ref("user_id", index=True),
    Column("service", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", Text, nullable=False),
)

registered_limits = Table(
    "registered_limits",
    metadata,
    _id(),
    _ref("service_id"),
    _ref("region_id"),
    Column("resource_name", String(255), nullable=False),
    Column("default_limit", Integer, nullable=False),
    *_described(),
    UniqueConstraint("service_id", "region_id", "resource_name", name="uq_registered_limits"),
)

limits = Table(
    "limits",
    metadata,
    _id(),
    _ref("service_id"),
    _ref("region_id"),
    _ref("project_id"),
    Column("resource_name", String(255), nullable=False),
    Column("resource_limit", Integer, nullable=False),
    *_described(),
    UniqueConstraint("service_id", "region_id", "project_id", "resource_name", name="uq_limits"),
)

policies = Table(
    "policies",
    metadata,
    _id(),
    Column("type", String(255), nullable=False),
    Column("blob", Text, nullable=False),
    Column("extra", JSON, nullable=False, default=dict),
)

revocations = Table(
    "revocations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("before", Double, nullable=False),
    Column("names", JSON, nullable=False),  # What the tokens have in common.
)
