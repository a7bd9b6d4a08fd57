"""What clients ask first: which versions there are; and what old ones still ask: extensions.

GET / ──▶ the versions        GET /v2.1 ──▶ 2.1 … 2.96        GET /v2.1/extensions
"""

from __future__ import annotations

from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import NotFound
from ...api.reply import answer
from ...api.routing import served
from ...api.times import zulu
from .rim import NEWEST, OLD_ROOT, OLDEST, ROOT

# Only aliases of what is served; clients that look for others learn that they are not here.
EXTENSIONS = (
    *("os-console-auth-tokens", "os-remote-consoles", "os-server-diagnostics", "os-server-password"),
    *("os-consoles", "os-floating-ips", "os-hosts", "os-networks", "os-security-groups"),
    "os-server-external-events",
    *("os-aggregates", "os-attach-interfaces", "os-availability-zone", "os-block-device-mapping"),
    *("os-config-drive", "os-console-output", "os-create-backup", "os-evacuate", "os-flavor-access"),
    *("os-flavor-extra-specs", "os-flavor-manage", "os-hypervisors", "os-instance-actions", "os-keypairs"),
    *("os-lock-server", "os-migrate-server", "os-migrations", "os-quota-class-sets", "os-quota-sets"),
    *("os-rescue", "os-scheduler-hints", "os-server-groups", "os-services", "os-shelve"),
    *("os-simple-tenant-usage", "os-suspend-server", "os-pause-server", "os-user-data", "os-volumes"),
)


class FrameController:
    """Serves / and what is about the API itself."""

    @served("GET HEAD", "/", open_to_all=True)
    def versions(self, call: Call) -> Response:
        """List the versions, the oldest first."""
        return answer(200, {"versions": [_old_version(call.base_url), _version(call.base_url)]})

    @served("GET HEAD", OLD_ROOT, open_to_all=True)
    def old_version(self, call: Call) -> Response:
        """Show what clients of before microversions have: 2.1 by another name."""
        media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2"}
        return answer(200, {"version": {**_old_version(call.base_url), "media-types": [media]}})

    @served("GET HEAD", ROOT, open_to_all=True)
    def version(self, call: Call) -> Response:
        """Show the one version."""
        media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
        return answer(200, {"version": {**_version(call.base_url), "media-types": [media]}})

    @served("GET HEAD", "/v2.1/extensions")
    def extensions(self, call: Call) -> Response:
        """List what was once an extension."""
        del call
        return answer(200, {"extensions": [_extension(alias) for alias in EXTENSIONS]})

    @served("GET HEAD", "/v2.1/extensions/{alias}")
    def extension(self, call: Call, alias: str) -> Response:
        """Show one."""
        del call
        if alias not in EXTENSIONS:
            raise NotFound("The resource could not be found.")
        return answer(200, {"extension": _extension(alias)})


def _old_version(base_url: str) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": f"{base_url}{OLD_ROOT}/"}],
    }


def _version(base_url: str) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(NEWEST),
        "min_version": str(OLDEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{base_url}{ROOT}/"}],
    }


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": "".join(word.capitalize() for word in alias.removeprefix("os-").split("-")),
        "description": "",
        "links": [],
        "namespace": "",
        "updated": zulu(1417392000),
    }
