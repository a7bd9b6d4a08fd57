"""What somebody of another project may try with the ids of things that are not his, at every service.

everything(owner), everything(stranger) ──▶ ids ──▶ TRIES filled in ──▶ refused, each of them

A try names things of the owner as {volume}, and the stranger's own as {my_volume}. Its answer must be one of REFUSALS:
nothing is told but that there is no such thing, or that he may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REFUSALS = frozenset((400, 403, 404))
MICROVERSIONS = {"compute": "2.72", "block_storage": "3.66"}
NONE = "00000000-0000-4000-8000-000000000000"


def is_refused(service: str, status: int) -> bool:
    """Whether that is a refusal; who may not have a token for a project hears that he is nobody there."""
    return status in REFUSALS or (service == "identity" and status == 401)


@dataclass(frozen=True)
class Try:
    """One request."""

    service: str
    method: str
    path: str
    document: Any = None

    def filled(self, ids: dict[str, str]) -> Try:
        """Return it with the ids in their places."""
        text = json.dumps([self.path, self.document])
        for name, each in ids.items():
            text = text.replace(f"<{name}>", each)
        assert "<" not in text, text
        path, document = json.loads(text)
        return Try(self.service, self.method, path, document)

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path} {json.dumps(self.document)[:150]}"


def asked(sdk: Any, service: str, method: str, path: str, document: Any = None, **more: Any) -> Any:
    """Send a request with openstacksdk, and return the answer, whatever it is."""
    if service in MICROVERSIONS:
        more["microversion"] = MICROVERSIONS[service]
    if document is not None:
        more["json"] = document
    return getattr(sdk, service).request(path, method, raise_exc=False, **more)


def made(sdk: Any, service: str, path: str, document: Any) -> dict[str, Any]:
    """Make something; return what is said of it."""
    reply = asked(sdk, service, "POST", path, document)
    assert reply.status_code < 300, f"{path}: {reply.status_code} {reply.text}"
    found: dict[str, Any] = reply.json()
    inner = next(iter(found.values())) if len(found) == 1 else found
    return inner if isinstance(inner, dict) else found


def everything(sdk: Any, prefix: str = "") -> dict[str, str]:
    """Have one of each kind of thing in a project; return their ids by kind."""
    image = made(
        sdk, "image", "/images", {"name": f"{prefix}i", "disk_format": "raw", "container_format": "bare"}
    )
    octets = {"Content-Type": "application/octet-stream"}
    reply = asked(sdk, "image", "PUT", f"/images/{image['id']}/file", data=b"data" * 256, headers=octets)
    assert reply.status_code == 204, reply.text
    ids = {"image": image["id"], "project": sdk.current_project_id, "user": sdk.current_user_id}
    ids |= _volumes(sdk)
    ids |= _networks(sdk, prefix)
    server = {"name": "s", "imageRef": ids["image"], "flavorRef": "isolated", "networks": "none"}
    ids["server"] = made(sdk, "compute", "/servers", {"server": server})["id"]
    sdk.compute.wait_for_server(sdk.compute.get_server(ids["server"]), wait=120, interval=0.2)
    credential = made(
        sdk, "identity", f"/users/{ids['user']}/credentials/OS-EC2", {"tenant_id": ids["project"]}
    )
    ids["access_key"] = credential["access"]
    group = {"name": "g", "policy": "affinity"}
    ids["server_group"] = made(sdk, "compute", "/os-server-groups", {"server_group": group})["id"]
    ids["keypair"] = f"{prefix}key"
    made(sdk, "compute", "/os-keypairs", {"keypair": {"name": ids["keypair"], "public_key": PUBLIC_KEY}})
    return {f"{prefix}{name}": each for name, each in ids.items()}


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm4Wzq1d4YdW0oHcwbkVn5xJb6jW3mCkUo0k9W8JxJd a@b"


def _volumes(sdk: Any) -> dict[str, str]:
    storage = sdk.block_storage

    def settled(kind: str, path: str, document: Any) -> str:
        thing = made(sdk, "block_storage", path, document)
        found = getattr(storage, f"get_{kind}")(thing["id"])
        storage.wait_for_status(found, "available", failures=["error"], interval=0.2, wait=120)
        return str(thing["id"])

    volume = settled("volume", "/volumes", {"volume": {"size": 1, "name": "v"}})
    offered = settled("volume", "/volumes", {"volume": {"size": 1, "name": "offered"}})
    transfer = made(sdk, "block_storage", "/volume-transfers", {"transfer": {"volume_id": offered}})
    snapshot = settled("snapshot", "/snapshots", {"snapshot": {"volume_id": volume}})
    backup = settled("backup", "/backups", {"backup": {"volume_id": volume}})
    held = settled("volume", "/volumes", {"volume": {"size": 1, "name": "held"}})
    attachment = made(
        sdk, "block_storage", "/attachments", {"attachment": {"volume_uuid": held, "instance_uuid": NONE}}
    )
    schedule = made(
        sdk,
        "block_storage",
        "/backup-schedules",
        {"backup_schedule": {"volume_id": volume, "interval_seconds": 86400, "enabled": False}},
    )
    return {
        "volume": volume,
        "offered": offered,
        "transfer": transfer["id"],
        "snapshot": snapshot,
        "backup": backup,
        "attachment": attachment["id"],
        "schedule": schedule["id"],
    }


def _networks(sdk: Any, prefix: str) -> dict[str, str]:
    def one(kind: str, **facts: Any) -> str:
        return str(
            made(sdk, "network", f"/{kind}s".replace("ys", "ies"), {kind.replace("-", "_"): facts})["id"]
        )

    network = one("network", name="n")
    subnet = one("subnet", network_id=network, ip_version=4, cidr="10.9.0.0/24")
    group = one("security-group", name=f"{prefix}web")
    rule = one("security-group-rule", security_group_id=group, direction="ingress", protocol="tcp")
    port = one("port", network_id=network)
    router = one("router", name="r")
    pool = one("subnetpool", name="p", prefixes=["10.8.0.0/16"])
    return {
        "network": network,
        "subnet": subnet,
        "security_group": group,
        "rule": rule,
        "port": port,
        "router": router,
        "pool": pool,
    }


def tries() -> Iterator[Try]:
    """Every trespass."""
    yield from _at_images()
    yield from _at_volumes()
    yield from _with_volumes_of_others()
    yield from _at_servers()
    yield from _with_servers_of_ones_own()
    yield from _at_networks()
    yield from _with_networks_of_others()
    yield from _at_operators_things()


def _at_images() -> Iterator[Try]:
    image = "/images/<image>"
    for method, path, document in (
        ("GET", "", None),
        ("GET", "/file", None),
        ("GET", "/members", None),
        ("GET", "/members/<my_project>", None),
        ("GET", "/locations", None),
        ("GET", "/tasks", None),
        ("POST", "/members", {"member": "<my_project>"}),
        ("PUT", "/members/<my_project>", {"status": "accepted"}),
        ("PUT", "/tags/mine", None),
        ("POST", "/actions/deactivate", None),
        ("POST", "/import", {"method": {"name": "copy-image"}, "stores": ["apus"]}),
        ("DELETE", "", None),
    ):
        yield Try("image", method, image + path, document)
    yield Try(
        "image", "POST", "/images/<my_image>/locations", {"url": "apus-block:<project>/image-<image>-1"}
    )
    yield Try("image", "POST", "/images", {"name": "x", "owner": "<project>"})
    yield Try("compute", "GET", "/images/<image>")


def _at_volumes() -> Iterator[Try]:
    for kind in ("volume", "snapshot", "backup"):
        thing = f"/{kind}s/<{kind}>"
        yield Try("block_storage", "GET", thing)
        yield Try("block_storage", "PUT", thing, {kind: {"name": "mine"}})
        yield Try("block_storage", "DELETE", thing)
        yield Try("block_storage", "POST", f"{thing}/action", {"os-reset_status": {"status": "error"}})
        yield Try("block_storage", "POST", f"{thing}/action", {"os-force_delete": {}})
    for kind in ("volume", "snapshot"):
        yield Try("block_storage", "GET", f"/{kind}s/<{kind}>/metadata")
        yield Try("block_storage", "PUT", f"/{kind}s/<{kind}>/metadata", {"metadata": {"a": "b"}})
    for action, argument in (
        ("os-extend", {"new_size": 2}),
        ("os-reserve", None),
        ("os-attach", {"instance_uuid": NONE, "mountpoint": "/dev/vdb"}),
        ("os-initialize_connection", {"connector": {"host": "h"}}),
        ("os-detach", {}),
        ("os-begin_detaching", None),
        ("os-set_bootable", {"bootable": True}),
        ("os-update_readonly_flag", {"readonly": True}),
        ("os-retype", {"new_type": "__DEFAULT__", "migration_policy": "never"}),
        ("os-volume_upload_image", {"image_name": "stolen"}),
        ("os-set_image_metadata", {"metadata": {"a": "b"}}),
        ("os-show_image_metadata", None),
        ("revert", {"snapshot_id": "<snapshot>"}),
        ("apus-commit", {"lease": "x", "base_map_id": "x", "map_id": "y"}),
    ):
        yield Try("block_storage", "POST", "/volumes/<volume>/action", {action: argument})
    for path in ("/attachments/<attachment>", "/backup-schedules/<schedule>", "/volume-transfers/<transfer>"):
        yield Try("block_storage", "GET", path)
        yield Try("block_storage", "DELETE", path)
    yield Try(
        "block_storage", "PUT", "/attachments/<attachment>", {"attachment": {"connector": {"host": "h"}}}
    )
    yield Try("block_storage", "POST", "/attachments/<attachment>/action", {"os-complete": None})
    yield Try("block_storage", "PUT", "/backup-schedules/<schedule>", {"backup_schedule": {"enabled": True}})
    yield Try("block_storage", "GET", "/backups/<backup>/export_record")
    yield Try("block_storage", "POST", "/backups/<backup>/restore", {"restore": {}})
    yield Try(
        "block_storage", "POST", "/volume-transfers/<transfer>/accept", {"accept": {"auth_key": "guess"}}
    )
    yield Try("block_storage", "GET", "/apus-leases?host=h")


def _with_volumes_of_others() -> Iterator[Try]:
    for source in ("source_volid", "snapshot_id", "backup_id", "imageRef"):
        kind = {"source_volid": "volume", "imageRef": "image"}.get(source, source.removesuffix("_id"))
        yield Try("block_storage", "POST", "/volumes", {"volume": {"size": 1, source: f"<{kind}>"}})
    yield Try("block_storage", "POST", "/snapshots", {"snapshot": {"volume_id": "<volume>", "force": True}})
    yield Try("block_storage", "POST", "/backups", {"backup": {"volume_id": "<volume>"}})
    both = {"volume_id": "<my_volume>", "snapshot_id": "<snapshot>"}
    yield Try("block_storage", "POST", "/backups", {"backup": both})
    yield Try("block_storage", "POST", "/backups/<my_backup>/restore", {"restore": {"volume_id": "<volume>"}})
    yield Try(
        "block_storage", "POST", "/volumes/<my_volume>/action", {"revert": {"snapshot_id": "<snapshot>"}}
    )
    yield Try("block_storage", "POST", "/volume-transfers", {"transfer": {"volume_id": "<volume>"}})
    yield Try("block_storage", "POST", "/attachments", {"attachment": {"volume_uuid": "<volume>"}})
    schedule = {"volume_id": "<volume>", "interval_seconds": 86400}
    yield Try("block_storage", "POST", "/backup-schedules", {"backup_schedule": schedule})
    for path in ("/os-volumes/<volume>", "/os-snapshots/<snapshot>"):
        yield Try("compute", "GET", path)
        yield Try("compute", "DELETE", path)
    yield Try("compute", "POST", "/os-snapshots", {"snapshot": {"volume_id": "<volume>", "force": True}})


def _at_servers() -> Iterator[Try]:
    server = "/servers/<server>"
    for path in ("", "/ips", "/metadata", "/tags", "/os-interface", "/os-volume_attachments", "/diagnostics",
                 "/os-instance-actions", "/os-security-groups", "/migrations", "/topology"):  # fmt: skip
        yield Try("compute", "GET", server + path)
    for action, argument in (
        ("os-start", None), ("os-stop", None), ("reboot", {"type": "HARD"}), ("pause", None), ("suspend", None),
        ("shelve", None), ("rescue", {}), ("rebuild", {"imageRef": "<my_image>"}), ("lock", None),
        ("resize", {"flavorRef": "isolated"}), ("createImage", {"name": "stolen"}), ("forceDelete", None),
        ("createBackup", {"name": "b", "backup_type": "daily", "rotation": 1}), ("os-getConsoleOutput", {}),
        ("addSecurityGroup", {"name": "default"}), ("changePassword", {"adminPass": "x"}), ("migrate", None),
        ("os-resetState", {"state": "active"}),
    ):  # fmt: skip
        yield Try("compute", "POST", f"{server}/action", {action: argument})
    console = {"remote_console": {"protocol": "serial", "type": "serial"}}
    yield Try("compute", "POST", f"{server}/remote-consoles", console)
    yield Try("compute", "PUT", server, {"server": {"name": "mine"}})
    yield Try("compute", "PUT", f"{server}/metadata", {"metadata": {"a": "b"}})
    yield Try("compute", "PUT", f"{server}/tags/mine")
    yield Try(
        "compute", "POST", f"{server}/os-interface", {"interfaceAttachment": {"net_id": "<my_network>"}}
    )
    mine = {"volumeAttachment": {"volumeId": "<my_volume>"}}
    yield Try("compute", "POST", f"{server}/os-volume_attachments", mine)
    yield Try("compute", "DELETE", server)
    yield Try("compute", "GET", "/os-server-groups/<server_group>")
    yield Try("compute", "DELETE", "/os-server-groups/<server_group>")
    yield Try("compute", "GET", "/os-keypairs/<keypair>")
    yield Try("compute", "GET", "/os-keypairs?user_id=<user>")
    yield Try("compute", "DELETE", "/os-keypairs/<keypair>")
    yield Try("compute", "GET", "/os-quota-sets/<project>")
    yield Try("compute", "GET", "/os-simple-tenant-usage/<project>")


def _with_servers_of_ones_own() -> Iterator[Try]:
    usual = {"name": "x", "imageRef": "<my_image>", "flavorRef": "isolated", "networks": "none"}
    wishes: tuple[dict[str, Any], ...] = (
        {"imageRef": "<image>"},
        {"networks": [{"uuid": "<network>"}]},
        {"networks": [{"port": "<port>"}]},
        {"networks": [{"uuid": "<my_network>"}], "security_groups": [{"name": "<security_group>"}]},
        {"key_name": "<keypair>"},
        *(
            {
                "imageRef": "",
                "block_device_mapping_v2": [
                    {
                        "boot_index": 0,
                        "uuid": f"<{kind}>",
                        "source_type": kind,
                        "destination_type": "volume",
                        "volume_size": 1,
                    }
                ],
            }
            for kind in ("volume", "snapshot", "image")
        ),
    )
    for facts in wishes:
        yield Try("compute", "POST", "/servers", {"server": {**usual, **facts}})
    hinted = {"server": usual, "os:scheduler_hints": {"group": "<server_group>"}}
    yield Try("compute", "POST", "/servers", hinted)
    server = "/servers/<my_server>"
    yield Try("compute", "POST", f"{server}/action", {"rebuild": {"imageRef": "<image>"}})
    yield Try("compute", "POST", f"{server}/action", {"rescue": {"rescue_image_ref": "<image>"}})
    theirs = {"volumeAttachment": {"volumeId": "<volume>"}}
    yield Try("compute", "POST", f"{server}/os-volume_attachments", theirs)
    for wish in ({"port_id": "<port>"}, {"net_id": "<network>"}):
        yield Try("compute", "POST", f"{server}/os-interface", {"interfaceAttachment": wish})
    yield Try("compute", "POST", f"{server}/action", {"addSecurityGroup": {"name": "<security_group>"}})


def _at_networks() -> Iterator[Try]:
    for kind, path in (
        ("network", "/networks/<network>"),
        ("subnet", "/subnets/<subnet>"),
        ("port", "/ports/<port>"),
        ("router", "/routers/<router>"),
        ("security_group", "/security-groups/<security_group>"),
        ("subnetpool", "/subnetpools/<pool>"),
    ):
        yield Try("network", "GET", path)
        yield Try("network", "PUT", path, {kind: {"name": "mine"}})
        yield Try("network", "DELETE", path)
        yield Try("network", "PUT", f"{path}/tags/mine")
    yield Try("network", "GET", "/security-group-rules/<rule>")
    yield Try("network", "DELETE", "/security-group-rules/<rule>")
    yield Try("network", "GET", "/quotas/<project>")
    yield Try("compute", "GET", "/os-security-groups/<security_group>")
    yield Try("compute", "GET", "/os-networks/<network>")


def _with_networks_of_others() -> Iterator[Try]:
    for kind, facts in (
        ("port", {"network_id": "<network>"}),
        ("port", {"network_id": "<my_network>", "security_groups": ["<security_group>"]}),
        ("port", {"network_id": "<my_network>", "fixed_ips": [{"subnet_id": "<subnet>"}]}),
        ("port", {"network_id": "<my_network>", "project_id": "<project>"}),
        ("port", {"network_id": "<my_network>", "binding:host_id": "h1"}),
        ("subnet", {"network_id": "<network>", "ip_version": 4, "cidr": "10.77.0.0/24"}),
        ("subnet", {"network_id": "<my_network>", "ip_version": 4, "subnetpool_id": "<pool>"}),
        ("network", {"name": "x", "project_id": "<project>"}),
        ("network", {"name": "x", "shared": True}),
        ("network", {"name": "x", "router:external": True}),
        ("network", {"name": "x", "provider:network_type": "flat"}),
        ("security_group_rule", {"security_group_id": "<security_group>", "direction": "ingress"}),
        ("security_group_rule", {"security_group_id": "<my_security_group>", "direction": "ingress",
                                 "remote_group_id": "<security_group>"}),
        ("router", {"name": "x", "external_gateway_info": {"network_id": "<network>"}}),
        ("floatingip", {"floating_network_id": "<network>"}),
        ("rbac_policy", {"object_type": "network", "object_id": "<network>", "action": "access_as_shared",
                         "target_tenant": "<my_project>"}),
    ):  # fmt: skip
        path = {"rbac_policy": "rbac-policies"}.get(kind, f"{kind.replace('_', '-')}s")
        yield Try("network", "POST", f"/{path}", {kind: facts})
    for wish in ({"subnet_id": "<subnet>"}, {"port_id": "<port>"}):
        yield Try("network", "PUT", "/routers/<my_router>/add_router_interface", wish)
    yield Try("network", "PUT", "/routers/<router>/add_router_interface", {"subnet_id": "<my_subnet>"})
    yield Try("network", "PUT", "/ports/<my_port>", {"port": {"security_groups": ["<security_group>"]}})


def _at_operators_things() -> Iterator[Try]:
    for path in ("/os-hypervisors/detail", "/os-services", "/os-aggregates", "/os-migrations", "/os-hosts",
                 "/os-console-auth-tokens/x"):  # fmt: skip
        yield Try("compute", "GET", path)
    event = {"events": [{"name": "network-changed", "server_uuid": "<server>"}]}
    yield Try("compute", "POST", "/os-server-external-events", event)
    yield Try("compute", "PUT", "/os-quota-sets/<my_project>", {"quota_set": {"cores": 1000}})
    flavor = {"name": "mine", "ram": 1, "vcpus": 1, "disk": 1}
    yield Try("compute", "POST", "/flavors", {"flavor": flavor})
    yield Try("network", "PUT", "/quotas/<my_project>", {"quota": {"network": 1000}})
    yield Try("network", "PUT", "/hosts/h1", {"host": {}})
    yield Try("block_storage", "PUT", "/os-quota-sets/<my_project>", {"quota_set": {"volumes": 1000}})
    yield Try("block_storage", "POST", "/types", {"volume_type": {"name": "mine"}})
    yield Try("block_storage", "GET", "/os-services")
    record = {"backup_record": {"backup_service": "x", "backup_url": "x"}}
    yield Try("block_storage", "POST", "/backups/import_record", record)
    for path in ("/users/<user>", "/users", "/projects/<project>",                  "/users/<user>/credentials/OS-EC2", "/users/<user>/application_credentials",
                 "/role_assignments", "/users/<user>/projects"):  # fmt: skip
        yield Try("identity", "GET", path)
    yield Try("identity", "PATCH", "/users/<user>", {"user": {"password": "mine"}})
    ec2 = {"tenant_id": "<project>"}
    yield Try("identity", "POST", "/users/<user>/credentials/OS-EC2", ec2)
    yield Try("identity", "POST", "/users/<my_user>/credentials/OS-EC2", ec2)
