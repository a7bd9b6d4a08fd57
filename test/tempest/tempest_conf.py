"""Tempest's own configuration, for a cloud that stands: what it has, and what it has not.

    Grounds ──tempest_conf()──▶ text of tempest.conf

An option is here where Tempest's default would not do. A feature that is said to be missing makes Tempest skip
its tests, so only those are whose reason stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REALM, CLUSTER = "realm1", "name1"  # Of container sync: Tempest's own defaults.
OUTSIDE = "public"
FILTERS = (
    "ComputeFilter,AvailabilityZoneFilter,ImagePropertiesFilter,SameHostFilter,DifferentHostFilter,"
    "ServerGroupAffinityFilter,ServerGroupAntiAffinityFilter"
)
STORE_ROLES = {"operator_role": "member", "reseller_admin_role": "ResellerAdmin"}


@dataclass(frozen=True, slots=True)
class Grounds:
    """What Tempest is told of a cloud."""

    identity_url: str
    """With its /v3."""
    region: str
    admin_password: str
    image_id: str
    image_alt_id: str
    flavor_id: str
    flavor_alt_id: str
    web_image: str
    """URL of a raw disk."""
    web_qcow2_image: str
    compute_hosts: int
    """Hosts on which servers can be."""
    outside_id: str
    """The network that floating addresses are of; it is called `public`."""
    network_extensions: tuple[str, ...]
    """By alias."""


def tempest_conf(grounds: Grounds, folder: Path) -> str:
    """Return the configuration; logs and locks go into the folder."""
    sections: dict[str, Mapping[str, object]] = {
        **_access(grounds, folder),
        **_tenants(grounds),
        **_servers(grounds),
        "object-storage": STORE_ROLES,
    }
    blocks = [
        "\n".join([f"[{name}]", *(f"{option} = {value}" for option, value in options.items())])
        for name, options in sections.items()
    ]
    return "\n\n".join(blocks) + "\n"


def _access(grounds: Grounds, folder: Path) -> dict[str, dict[str, object]]:
    """Who asks, and what there is to ask."""
    return {
        "DEFAULT": {"log_dir": folder, "log_file": "tempest.log"},
        "oslo_concurrency": {"lock_path": folder / "lock"},
        "auth": {
            "use_dynamic_credentials": True,
            "admin_username": "admin",
            "admin_project_name": "admin",
            "admin_password": grounds.admin_password,
            "admin_domain_name": "Default",
            "create_isolated_networks": True,
        },
        "identity": {
            "uri_v3": grounds.identity_url,
            "auth_version": "v3",
            "region": grounds.region,
            "v3_endpoint_type": "public",
            "default_domain_id": "default",
        },
        "service_available": {
            "swift": True,
            "glance": True,
            "cinder": True,
            "nova": grounds.compute_hosts > 0,
            "neutron": True,
            "horizon": False,
        },
    }


def _tenants(grounds: Grounds) -> dict[str, dict[str, object]]:
    """Identity, images and volumes."""
    return {
        "identity-feature-enabled": {
            "access_rules": True,
            "security_compliance": False,  # Passwords do not expire, and have no history.
        },
        "image": {
            "http_image": grounds.web_image,
            "http_qcow2_image": grounds.web_qcow2_image,
            "disk_formats": "raw,qcow2,vmdk,iso,vdi,vhd,vhdx",
            "container_formats": "bare,ami,ari,aki,ovf",
        },
        "image-feature-enabled": {
            "import_image": True,
            "os_glance_reserved": True,
        },
        "volume": {"build_interval": 1, "build_timeout": 120, "max_microversion": "3.70"},
        "volume-feature-enabled": {
            "backup": True,
            "extend_volume_with_snapshot": True,
            "multi_backend": False,  # There is one: the store.
            "manage_volume": False,  # There is nothing outside of the store to take in,
            "manage_snapshot": False,  # nor snapshots.
        },
    }


def _servers(grounds: Grounds) -> dict[str, dict[str, object]]:
    """Servers and their networks."""
    return {
        "compute": {
            "image_ref": grounds.image_id,
            "image_ref_alt": grounds.image_alt_id,
            "flavor_ref": grounds.flavor_id,
            "flavor_ref_alt": grounds.flavor_alt_id,
            "build_interval": 1,
            "build_timeout": 120,
            "min_compute_nodes": grounds.compute_hosts,
            "hypervisor_type": "fake",
            "max_microversion": "2.96",
        },
        "compute-feature-enabled": {
            "change_password": True,
            "resize": True,
            "shelve_migrate": True,
            "personality": True,
            "live_migrate_back_and_forth": True,
            "vnc_console": False,  # A machine of driver `fake` has no screen,
            "serial_console": False,  # nor a line.
            "volume_multiattach": False,  # A second host may read only.
            "attach_encrypted_volume": False,  # The store encrypts.
            "swap_volume": False,
            "scheduler_enabled_filters": FILTERS,
        },
        "network": {
            "public_network_id": grounds.outside_id,
            "floating_network_name": OUTSIDE,
            "build_interval": 1,
            "build_timeout": 120,
        },
        "network-feature-enabled": {
            # `tag` is what Tempest calls standard-attr-tag, by the name that it once had.
            "api_extensions": ",".join((*grounds.network_extensions, "tag")),
            "ipv6_subnet_attributes": True,
            "port_security": True,
        },
        "validation": {"run_validation": False},  # Nothing runs in the machines of driver `fake`.
    }
