"""The tables of the server service.

    servers ◀── block_devices, interfaces, actions ◀── events        flavors  keypairs  server_groups
    hosts (one agent each)  aggregates  migrations  quotas           what is wanted is here, the agents make
    it so

Times are unix seconds. What is only ever read whole (metadata, a flavor as it was when the server was made)
is JSON.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

servers = Table(
    "servers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255)),
    Column("hostname", String(255), nullable=False),
    Column("vm_state", String(32), nullable=False),
    Column("task_state", String(32)),
    Column("task", JSON, nullable=False),
    Column("power_state", Integer, nullable=False),
    Column("locked_by", String(16)),
    Column("locked_reason", String(255)),
    Column("host", String(255)),
    Column("zone", String(255)),
    Column("pinned_zone", String(255)),
    Column("image_id", String(36), nullable=False),
    Column("image_properties", JSON, nullable=False),
    Column("flavor", JSON, nullable=False),
    Column("before_resize", JSON),
    Column("key_name", String(255)),
    Column("public_key", Text),
    Column("user_data", Text),
    Column("admin_password", String(255)),
    Column("files", JSON, nullable=False),
    Column("config_drive", Boolean, nullable=False),
    Column("disk_config", String(8)),
    Column("metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("access_ipv4", String(64), nullable=False),
    Column("access_ipv6", String(64), nullable=False),
    Column("security_groups", JSON, nullable=False),
    Column("requested_networks", JSON, nullable=False),
    Column("hints", JSON, nullable=False),
    Column("group_id", String(36)),
    Column("launch_index", Integer, nullable=False),
    Column("reservation_id", String(36), nullable=False),
    Column("map_id", String(255)),
    Column("shelved_image", String(36)),
    Column("fault", JSON),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("launched_at", Double),
    Column("terminated_at", Double),
    Index("servers_of_project", "project_id", "terminated_at"),
    Index("servers_on_host", "host", "terminated_at"),
)

block_devices = Table(
    "block_devices",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("server_id", String(36), ForeignKey("servers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("device", String(32), nullable=False),
    Column("boot_index", Integer),
    Column("source", String(16), nullable=False),
    Column("source_id", String(36)),
    Column("size_gib", Integer),
    Column("volume_type", String(255)),
    Column("volume_id", String(36)),
    Column("attachment_id", String(36)),
    Column("connection", JSON),
    Column("state", String(16), nullable=False),
    Column("tag", String(60)),
    Column("delete_on_termination", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)

interfaces = Table(
    "interfaces",
    metadata,
    Column("port_id", String(36), primary_key=True),
    Column("server_id", String(36), ForeignKey("servers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("network_id", String(36), nullable=False),
    Column("network_name", String(255), nullable=False),
    Column("mac", String(32), nullable=False),
    Column("addresses", JSON, nullable=False),
    Column("vif", JSON, nullable=False),
    Column("tag", String(60)),
    Column("ours", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("server_id", String(36), nullable=False, index=True),
    Column("request_id", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("message", Text),
    Column("started_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("action_id", Integer, ForeignKey("actions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event", String(64), nullable=False),
    Column("host", String(255)),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("result", String(16)),
    Column("details", Text),
)

flavors = Table(
    "flavors",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("vcpus", Integer, nullable=False),
    Column("ram", Integer, nullable=False),
    Column("disk", Integer, nullable=False),
    Column("ephemeral", Integer, nullable=False),
    Column("swap", Integer, nullable=False),
    Column("rxtx_factor", Double, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("description", Text),
    Column("extra_specs", JSON, nullable=False),
    Column("projects", JSON, nullable=False),
)

keypairs = Table(
    "keypairs",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("fingerprint", String(255), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

server_groups = Table(
    "server_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("policy", String(32), nullable=False),
    Column("max_server_per_host", Integer),
    Column("created_at", Double, nullable=False),
)

hosts = Table(
    "hosts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("service_id", String(36), nullable=False, unique=True),
    Column("hypervisor_id", String(36), nullable=False, unique=True),
    Column("disabled_reason", String(255)),
    Column("disabled", Boolean, nullable=False),
    Column("forced_down", Boolean, nullable=False),
    Column("heard_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("resources", JSON, nullable=False),
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("metadata", JSON, nullable=False),
    Column("hosts", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
)

migrations = Table(
    "migrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("server_id", String(36), nullable=False, index=True),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(32), nullable=False),
    Column("source", String(255)),
    Column("target", String(255)),
    Column("old_flavor", String(255)),
    Column("new_flavor", String(255)),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

# A token itself is not kept: whoever reads the catalogue reaches no console by it.
console_tokens = Table(
    "console_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("server_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

guest_passwords = Table(
    "guest_passwords",
    metadata,
    Column("server_id", String(36), primary_key=True),
    Column("password", Text, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("owner", String(80), primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("amount", Integer, nullable=False),
)
