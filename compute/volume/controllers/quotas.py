"""Quotas and limits, told and set.

/os-quota-sets/{project}[/defaults, ?usage=True]   /os-quota-class-sets/{class}   /limits
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Forbidden
from ...api.reply import answer, empty
from .. import quota, rows
from ..office import Office
from ..reading import yes_or_no
from ..tables import quotas
from .doors import at, operator, over_quota
from .quota_check import DEFAULT_CLASS, TURNSTILE, known_names, pass_turnstile, stored, usage

_NOT_LIMITS = frozenset(("id", "tenant_id", "project_id", "force", "skip_validation", "class_name"))


@dataclass(frozen=True, slots=True)
class QuotaController:
    """Serves /os-quota-sets, /os-quota-class-sets and /limits."""

    office: Office

    @at("GET HEAD", "/os-quota-sets/{target}")
    def show(self, call: Call, target: str) -> Response:
        """Tell a project's limits, and with ?usage what it uses."""
        _may_see(call, target)
        with_usage = yes_or_no(call.query, "usage")
        with self.office.catalogue.read() as connection:
            limits = self._limits(connection, target)
            used = usage(connection, target) if with_usage else {}
        shown: dict[str, Any] = dict(limits)
        if with_usage:
            shown = {
                name: {"limit": most, "in_use": used.get(name, 0), "reserved": 0, "allocated": 0}
                for name, most in limits.items()
            }
        return answer(200, {"quota_set": {"id": target, **shown}})

    def _limits(self, connection: Connection, project_id: str | None) -> dict[str, int]:
        of_class = stored(connection, "class", DEFAULT_CLASS)
        own = stored(connection, "project", project_id) if project_id is not None else {}
        return quota.limits(known_names(connection), own, of_class)

    @at("GET HEAD", "/os-quota-sets/{target}/defaults", "/os-quota-sets/{target}/default")
    def defaults(self, call: Call, target: str) -> Response:
        """Tell what projects have for which nobody set anything."""
        _may_see(call, target)
        with self.office.catalogue.read() as connection:
            return answer(200, {"quota_set": {"id": target, **self._limits(connection, None)}})

    @at("PUT", "/os-quota-sets/{target}")
    def update(self, call: Call, target: str) -> Response:
        """Set limits of a project (administrators)."""
        call.require("admin")
        document = call.member("quota_set")
        validated = not yes_or_no(
            call.query, "skip_validation", otherwise=yes_or_no(document, "force", otherwise=True)
        )

        def work(connection: Connection) -> dict[str, int]:
            new = _new_limits(connection, document)
            pass_turnstile(connection, target)
            if validated:
                _check_not_under(new, usage(connection, target))
            _store(connection, "project", target, new)
            return self._limits(connection, target)

        return answer(200, {"quota_set": self.office.catalogue.transaction(work)})

    @at("DELETE", "/os-quota-sets/{target}")
    def delete(self, call: Call, target: str) -> Response:
        """Give a project the defaults again (administrators)."""
        call.require("admin")
        with self.office.catalogue.write() as connection:
            own = (quotas.c.scope == "project", quotas.c.owner == target, quotas.c.name != TURNSTILE)
            rows.drop(connection, quotas, *own)
        return empty(200)

    @at("GET HEAD", "/os-quota-class-sets/{name}")
    def show_class(self, call: Call, name: str) -> Response:
        """Tell the limits of a class (administrators); "default" is everybody's."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            limits = quota.limits(known_names(connection), stored(connection, "class", name))
        return answer(200, {"quota_class_set": {"id": name, **limits}})

    @at("PUT", "/os-quota-class-sets/{name}")
    def update_class(self, call: Call, name: str) -> Response:
        """Set limits of a class (administrators)."""
        call.require("admin")
        document = call.member("quota_class_set")

        def work(connection: Connection) -> dict[str, int]:
            _store(connection, "class", name, _new_limits(connection, document))
            return quota.limits(known_names(connection), stored(connection, "class", name))

        return answer(200, {"quota_class_set": self.office.catalogue.transaction(work)})

    @at("GET HEAD", "/limits")
    def limits(self, call: Call) -> Response:
        """Tell the caller's project its limits, and what it uses."""
        project_id = call.project_id
        wanted = call.query.get("project_id") or call.query.get("tenant_id")
        if wanted and operator(call):
            project_id = wanted
        with self.office.catalogue.read() as connection:
            limits, used = self._limits(connection, project_id), usage(connection, project_id)
        absolute = {
            "maxTotalVolumes": limits["volumes"],
            "maxTotalSnapshots": limits["snapshots"],
            "maxTotalVolumeGigabytes": limits["gigabytes"],
            "maxTotalBackups": limits["backups"],
            "maxTotalBackupGigabytes": limits["backup_gigabytes"],
            "totalVolumesUsed": used["volumes"],
            "totalSnapshotsUsed": used["snapshots"],
            "totalGigabytesUsed": used["gigabytes"],
            "totalBackupsUsed": used["backups"],
            "totalBackupGigabytesUsed": used["backup_gigabytes"],
        }
        return answer(200, {"limits": {"rate": [], "absolute": absolute}})


def _may_see(call: Call, target: str) -> None:
    if target != call.identity.project_id and not operator(call):
        raise Forbidden("Another project's quota is for administrators.")


def _new_limits(connection: Connection, document: dict[str, Any]) -> dict[str, int]:
    known = known_names(connection)
    new: dict[str, int] = {}
    for name, value in document.items():
        if name in _NOT_LIMITS or value is None:
            continue
        sentence = quota.refuse_limit(name, value, known=known)
        if sentence is not None:
            raise BadRequest(f"Invalid input received: {sentence}")
        new[name] = int(value)
    return new


def _check_not_under(new: dict[str, int], used: dict[str, int]) -> None:
    for name, most in new.items():
        if 0 <= most < used.get(name, 0):
            raise over_quota(f"Quota {name} can't be {most}: {used[name]} is used.")


def _store(connection: Connection, scope: str, owner: str, new: dict[str, int]) -> None:
    for name, most in new.items():
        mine = (quotas.c.scope == scope, quotas.c.owner == owner, quotas.c.name == name)
        rows.drop(connection, quotas, *mine)
        rows.add(connection, quotas, {"scope": scope, "owner": owner, "name": name, "most": most})
