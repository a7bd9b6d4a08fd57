"""Putting what is in an archive: one object for each file.

    Archive ──▶ Member ──placed()──▶ container/name ──▶ HEAD, else PUT of the container ──▶ PUT of the object
                                                                                         └──▶ Haul

Files go where their names say below the request's path, literally: `..` is a name like others, and nothing
leads out of the account. Whoever was cut off in the middle sends the archive again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ....common.constraints import Constraints, is_valid_name
from ....common.errors import Refused
from ....common.http.answer import status_line
from ....common.http.request import title
from ....common.http.wsgi import Environ, WSGIApp, to_wsgi
from ..inner import ask, path_of
from .archive import Archive, Member, headers_of
from .credentials import credentials

_FORWARDED = frozenset({"HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER"})
_METADATA = "HTTP_X_OBJECT_META_"
_is_header_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_breaks_a_line = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


@dataclass(slots=True)
class Haul:
    """How it went."""

    created: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    is_servers_fault: bool = False

    @property
    def status(self) -> str:
        """The status that all of it together has."""
        if self.errors:
            return status_line(502 if self.is_servers_fault else 400)
        return status_line(201 if self.created else 400)

    def fail(self, path: str, status: int) -> None:
        """Note that something could not be stored."""
        self.is_servers_fault |= status >= 500
        self.errors.append((quote(path, errors="surrogateescape"), status_line(status)))


def placed(base: str, name: str) -> str | None:
    """Return `container/object` for a file of the archive; None for one that lies in no container."""
    name = name.removeprefix("./").lstrip("/")
    path = f"{base.rstrip('/')}/{name}" if base else name
    container, _, rest = path.partition("/")
    return path if container and rest else None


def forwarded(environ: Environ) -> dict[str, str]:
    """Return the headers that the client wants on every object."""
    return {
        title(key): value for key, value in environ.items() if key in _FORWARDED or key.startswith(_METADATA)
    }


def object_headers(common: Mapping[str, str], member: Member) -> dict[str, str] | None:
    """Return an object's headers, the file's before the client's; None when one of them can't be one."""
    headers = dict(common)
    for name, value in headers_of(member.attributes):
        if not _is_header_name(name) or _breaks_a_line(value):
            return None
        headers[name.title()] = to_wsgi(value)
    return headers


class Extraction:
    """The work, for one request."""

    def __init__(self, app: WSGIApp, environ: Environ, account: str, *, limits: Constraints) -> None:
        self._app = app
        self._environ = environ
        self._account = account
        self._limits = limits
        self._tokens = credentials(environ)
        self._common = {**forwarded(environ), **self._tokens}
        self._containers: dict[str, int] = {}
        self._made = 0

    def run(self, archive: Archive, base: str, haul: Haul, *, errors_max: int, containers_max: int) -> None:
        """Store every file below `base`.

        Raises:
            Refused: when nobody is let in, or too many containers would have to be made.
        """
        for member in archive:
            path = placed(base, member.name)
            if path is None:
                continue
            status = self._fault(path, member)
            if status is None:
                container = path.partition("/")[0]
                container_status = self._container(container)
                if self._made > containers_max:
                    raise Refused(f"More than {containers_max} containers to create from tar.")
                status = self._put(path, member, archive)
                if status // 100 == 2:
                    haul.created += 1
                    continue
                if container_status // 100 != 2:  # Only now: who may not look may still be let to write.
                    haul.fail(f"/{self._account}/{container}", container_status)
            haul.fail(path, status)
            if status == 401:
                raise Refused("The request needs a token that is good for this account.", 401)
            if len(haul.errors) >= errors_max:
                return

    def _fault(self, path: str, member: Member) -> int | None:
        if not is_valid_name(path):
            return 412
        if member.size > self._limits.max_file_size:
            return 413
        return 400 if member.is_sparse else None

    def _container(self, container: str) -> int:
        """See to it that there is such a container; return what was answered."""
        known = self._containers.get(container)
        if known is None:
            path = path_of(self._environ, self._account, container)
            known = self._ask("HEAD", path)
            if known == 404:
                known = self._ask("PUT", path)
                self._made += known // 100 == 2
            self._containers[container] = known
        return known

    def _ask(self, method: str, path: str) -> int:
        reply = ask(self._app, self._environ, method, path, headers=self._tokens)
        reply.close()
        return reply.status

    def _put(self, path: str, member: Member, archive: Archive) -> int:
        headers = object_headers(self._common, member)
        if headers is None:
            return 400
        where = path_of(self._environ, self._account, path)
        reply = ask(self._app, self._environ, "PUT", where, headers=headers, body=archive, length=member.size)
        reply.close()
        return reply.status
