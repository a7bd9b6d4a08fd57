"""What there is besides volumes: versions, services, zones, pools, hosts, extensions, filters, messages.

GET / /v3 /os-services /os-availability-zone /scheduler-stats/get_pools /capabilities /os-hosts /extensions …
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from ...api.routing import Routes
from ...api.times import plain
from ...api.versions import Version
from .. import back_end, rows
from ..asking import ATTACHMENTS, BACKUPS, MESSAGES, SNAPSHOTS, TRANSFERS, VOLUMES, asked
from ..office import Office
from ..tables import messages, volumes
from ..views import type as view
from ..views.viewer import Viewer
from .doors import at, found, has, listing, since

OLDEST, NEWEST = Version(3, 0), Version(3, 70)
_UPDATED = "2026-11-21T00:00:00Z"
_EXTENSIONS = {
    "OS-SCH-HNT": "SchedulerHints",
    "backups": "Backups",
    "capabilities": "Capabilities",
    "os-admin-actions": "AdminActions",
    "os-availability-zone": "AvailabilityZones",
    "os-extended-services": "ExtendedServices",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-hosts": "Hosts",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-services": "Services",
    "os-snapshot-actions": "SnapshotActions",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-mig-status-attr": "VolumeMigStatusAttribute",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-actions": "VolumeActions",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-type-access": "VolumeTypeAccess",
    "qos-specs": "Qos_specs_manage",
    "scheduler-stats": "Scheduler_stats",
}


def serve_versions(routes: Routes) -> None:
    """Add the version documents, which anybody may read."""

    def every(call: Call) -> Response:
        return answer(300, {"versions": [_version(call)]})

    def one(call: Call) -> Response:
        return answer(200, {"versions": [_version(call)]})

    routes.add(("GET", "HEAD"), "/", every, open_to_all=True)
    routes.add(("GET", "HEAD"), "/v3", one, open_to_all=True)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": str(NEWEST),
        "min_version": str(OLDEST),
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{call.base_url}/v3/"}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
        ],
    }


@dataclass(frozen=True, slots=True)
class OperatorController:
    """Serves what describes the service itself."""

    office: Office

    @at("GET HEAD", "/os-availability-zone")
    def zones(self, _call: Call) -> Response:
        """List the one zone."""
        zone = {"zoneName": self.office.config.availability_zone, "zoneState": {"available": True}}
        return answer(200, {"availabilityZoneInfo": [zone]})

    @at("GET HEAD", "/os-services")
    def services(self, call: Call) -> Response:
        """List what runs (administrators): API, jobs of volumes and of backups are one process."""
        call.require("admin", "service")
        wanted = call.query
        listed = [
            self._service(call, binary, host)
            for binary, host in self._binaries().items()
            if wanted.get("binary", binary) == binary and wanted.get("host", host) in _names(host)
        ]
        return answer(200, {"services": listed})

    def _binaries(self) -> dict[str, str]:
        """Return where each program of a Cinder would run."""
        host = self.office.config.host
        return {"cinder-scheduler": host, "cinder-volume": self.office.back_end, "cinder-backup": host}

    def _service(self, call: Call, binary: str, host: str) -> dict[str, Any]:
        service: dict[str, Any] = {
            "binary": binary,
            "host": host,
            "zone": self.office.config.availability_zone,
            "status": "enabled",
            "state": "up",
            "updated_at": plain(self.office.clock()),
            "disabled_reason": None,
        }
        if binary == "cinder-volume":
            service |= {"replication_status": "disabled", "frozen": False, "active_backend_id": None}
        if has(call, 7):
            service["cluster"] = None
        if has(call, 49) and binary == "cinder-volume":
            service["backend_state"] = "up"
        return service

    @at("PUT", "/os-services/{action}")
    def change_service(self, call: Call, action: str) -> Response:
        """Refuse: nothing here can be switched off but the process itself."""
        call.require("admin")
        if action in ("enable", "disable"):
            facts = call.json()
            if facts.get("host") not in _names(self._binaries().get(str(facts.get("binary")), "")):
                raise NotFound("There is no such service.")
        raise BadRequest(f"{action}: services of volumes are not switched on and off here; stop the process.")

    @at("GET HEAD", "/scheduler-stats/get_pools")
    def pools(self, call: Call) -> Response:
        """List the one pool (administrators)."""
        call.require("admin")
        pool: dict[str, Any] = {"name": self.office.pool}
        if call.query.get("detail", "").lower() in ("true", "1"):
            with self.office.catalogue.read() as connection:
                used = connection.execute(select(func.coalesce(func.sum(volumes.c.size), 0))).scalar_one()
            total = self.office.config.pool_gigabytes
            pool["capabilities"] = {
                "volume_backend_name": back_end.NAME,
                "pool_name": "apus",
                "driver_version": "1.0",
                "storage_protocol": back_end.PROTOCOL,
                "vendor_name": back_end.VENDOR,
                "total_capacity_gb": total,
                "free_capacity_gb": max(total - int(used), 0),
                "provisioned_capacity_gb": int(used),
                "allocated_capacity_gb": int(used),
                "reserved_percentage": 0,
                "max_over_subscription_ratio": "1.0",
                "thin_provisioning_support": True,
                "thick_provisioning_support": False,
                "multiattach": True,
                "QoS_support": False,
                "backend_state": "up",
                "timestamp": plain(self.office.clock()),
            }
        return answer(200, {"pools": [pool]})

    @at("GET HEAD", "/capabilities/{host}")
    def capabilities(self, call: Call, host: str) -> Response:
        """Tell what the one back end can do (administrators)."""
        call.require("admin")
        if host not in (self.office.pool, self.office.back_end):
            raise NotFound(f"Host {host} could not be found.")
        document: dict[str, Any] = {
            "namespace": f"OS::Storage::Capabilities::{self.office.back_end}",
            "vendor_name": back_end.VENDOR,
            "volume_backend_name": back_end.NAME,
            "pool_name": "apus",
            "driver_version": "1.0",
            "storage_protocol": back_end.PROTOCOL,
            "display_name": "Block layer",
            "description": "Maps of blocks in an object store",
            "visibility": None,
            "replication_targets": [],
            "properties": {},
        }
        return answer(200, document)

    @at("GET HEAD", "/os-hosts")
    def hosts(self, call: Call) -> Response:
        """List the one host, once for each program that a Cinder would have there (administrators)."""
        call.require("admin")
        listed = [
            {
                "host_name": host,
                "service": binary,
                "zone": self.office.config.availability_zone,
                "service-status": "available",
                "service-state": "enabled",
                "last-update": plain(self.office.clock()),
            }
            for binary, host in self._binaries().items()
        ]
        return answer(200, {"hosts": listed})

    @at("GET HEAD", "/os-hosts/{host}")
    def host(self, call: Call, host: str) -> Response:
        """Count what it has (administrators)."""
        call.require("admin")
        if host not in (self.office.pool, self.office.back_end):
            raise NotFound(f"Host {host} could not be found.")
        with self.office.catalogue.read() as connection:
            counted = select(func.count(), func.coalesce(func.sum(volumes.c.size), 0))
            count, size = connection.execute(counted).one()
        resource = {
            "host": host,
            "project": "(total)",
            "volume_count": str(count),
            "total_volume_gb": str(size),
            "snapshot_count": "0",
            "total_snapshot_gb": "0",
        }
        return answer(200, {"host": [{"resource": resource}]})

    @at("GET HEAD", "/extensions")
    def extensions(self, _call: Call) -> Response:
        """List the extensions, all of which have become part of the API since."""
        return answer(200, {"extensions": [_extension(alias) for alias in _EXTENSIONS]})

    @at("GET HEAD", "/extensions/{alias}")
    def extension(self, _call: Call, alias: str) -> Response:
        """Show one."""
        if alias not in _EXTENSIONS:
            raise NotFound(f"There is no extension {alias}.")
        return answer(200, {"extension": _extension(alias)})

    @at("GET HEAD", "/resource_filters")
    def filters(self, call: Call) -> Response:
        """Tell by what each list can be filtered."""
        since(call, 33)
        known = {
            "volume": [*VOLUMES.columns, "metadata"],
            "backup": list(BACKUPS.columns),
            "snapshot": [*SNAPSHOTS.columns, "metadata"],
            "attachment": list(ATTACHMENTS.columns),
            "message": list(MESSAGES.columns),
            "transfer": list(TRANSFERS.columns),
        }
        wanted = call.query.get("resource")
        listed = [
            {"resource": name, "filters": words} for name, words in known.items() if wanted in (None, name)
        ]
        return answer(200, {"resource_filters": listed})

    @at("GET HEAD", "/messages")
    def index(self, call: Call) -> Response:
        """List what went wrong after a request had been accepted."""
        since(call, 3)
        viewer = Viewer.of(call)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, messages, asked(call, messages, MESSAGES))
        return listing(call, "messages", [view.message(viewer, row) for row in page.rows], page)

    @at("GET HEAD", "/messages/{message_id}")
    def show(self, call: Call, message_id: str) -> Response:
        """Show one."""
        since(call, 3)
        with self.office.catalogue.read() as connection:
            row = found(connection, call, messages, message_id, what="Message")
        return answer(200, {"message": view.message(Viewer.of(call), row)})

    @at("DELETE", "/messages/{message_id}")
    def delete(self, call: Call, message_id: str) -> Response:
        """Delete one."""
        since(call, 3)
        with self.office.catalogue.write() as connection:
            found(connection, call, messages, message_id, what="Message", lock=True)
            rows.drop(connection, messages, messages.c.id == message_id)
        return empty(204)


def _names(host: str) -> tuple[str, str]:
    """Return what a service's host is called: with its back end and without."""
    return host, host.partition("@")[0]


def _extension(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": _EXTENSIONS[alias], "description": "", "updated": _UPDATED, "links": []}
