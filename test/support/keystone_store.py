"""A second front of a store: a proxy that believes Keystone, beside the one with the test users.

AllInOne ──keystone_front()──▶ Keystone process + apus-proxy-server with authtoken and keystoneauth
                            ──▶ Front(endpoint, identity URL)
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import keystone
from fronts import front
from store import Client, Store

DEFAULT_DOMAIN = "Default"
AUTHTOKEN = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {identity}
auth_url = {identity}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = swift
password = {password}
delay_auth_decision = {delays}
include_service_catalog = false
service_token_roles_required = true

[filter:crossdomain]
use = egg:apus#crossdomain

[filter:keystoneauth]
use = egg:apus#keystoneauth
operator_roles = admin, member
project_reader_roles = reader
reseller_prefix = AUTH, SERVICE
SERVICE_service_roles = service
"""


def keystone_conf(conf: str, *, port: int, identity: str, delays: str = "true") -> str:
    """Return a proxy's conf with Keystone in tempauth's place (and crossdomain, for Tempest), on another port."""
    head, pipeline, tail = re.split(r"(^pipeline *=.*$)", conf, maxsplit=1, flags=re.MULTILINE)
    pipeline = re.sub(r"\btempauth\b", "crossdomain authtoken keystoneauth", pipeline)
    head = re.sub(r"^bind_port *=.*$", f"bind_port = {port}", head, flags=re.MULTILINE)
    filters = AUTHTOKEN.format(identity=identity, password=keystone.SERVICE_PASSWORD, delays=delays)
    return f"{head}{pipeline}{tail}\n{filters}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a project."""

    front: Front
    name: str
    user_id: str
    project: str
    project_id: str
    domain: str = DEFAULT_DOMAIN

    def token(self) -> str:
        """Return a new token."""
        return self.front.log_in(self.name, password_of(self.name), self.project, self.domain)[0]

    def client(self, *, account_of: Person | None = None, service: Person | None = None) -> Client:
        """Return a client for somebody's account."""
        path = f"/v1/AUTH_{(account_of or self).project_id}"
        headers = {"X-Auth-Token": self.token()}
        if service is not None:
            headers["X-Service-Token"] = service.token()
        return Client(self.front.store, path, headers)


@dataclass(frozen=True, slots=True)
class Front:
    """A store and the Keystone that it believes."""

    endpoint: str
    identity: str

    @property
    def store(self) -> Store:
        """The store as its users see it."""
        return Store(self.endpoint)

    def log_in(
        self, user: str, password: str, project: str, domain: str = DEFAULT_DOMAIN
    ) -> tuple[str, dict[str, Any]]:
        """Return a token and what Keystone tells of it."""
        within = {"domain": {"name": domain}}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "password": password, **within}},
        }
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, **within}}}}
        headers, told = self._ask("POST", "/auth/tokens", {}, body, 201)
        return headers["x-subject-token"], told["token"]

    def person(
        self, name: str, *roles: str, project: str | None = None, domain: str = DEFAULT_DOMAIN
    ) -> Person:
        """Make somebody with these roles in a project; project and domain are made where there are none."""
        admin = {"X-Auth-Token": self.log_in("admin", keystone.ADMIN_PASSWORD, "admin")[0]}
        project = project or f"project-of-{name}"
        domain_id = self._thing(admin, "domain", {"name": domain})["id"]
        place = self._thing(admin, "project", {"name": project, "domain_id": domain_id})
        user = {"name": name, "domain_id": domain_id, "password": password_of(name)}
        user = self._ask("POST", "/users", admin, {"user": user}, 201)[1]["user"]
        for role in roles:
            role_id = self._thing(admin, "role", {"name": role})["id"]
            path = f"/projects/{place['id']}/users/{user['id']}/roles/{role_id}"
            self._ask("PUT", path, admin, None, 204)
        return Person(self, name, user["id"], project, place["id"], domain)

    def _thing(self, admin: Mapping[str, str], kind: str, facts: Mapping[str, str]) -> dict[str, str]:
        """Return the domain, project or role with these facts, made where there is none."""
        found = self._ask("GET", f"/{kind}s?{urlencode(facts)}", admin, None, 200)[1][f"{kind}s"]
        thing: dict[str, str] = (
            found[0] if found else self._ask("POST", f"/{kind}s", admin, {kind: facts}, 201)[1][kind]
        )
        return thing

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Any, expected: int
    ) -> tuple[dict[str, str], Any]:
        place = urlsplit(self.identity)
        connection = http.client.HTTPConnection(place.netloc, timeout=180)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, place.path + path, content, dict(headers))
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        assert answer.status == expected, (method, path, answer.status, raw)
        return {name.lower(): value for name, value in answer.getheaders()}, json.loads(raw) if raw else None


def password_of(name: str) -> str:
    """Return the password that a person of ours has."""
    return f"password-of-{name}"


@contextmanager
def keystone_front(proxy_conf: Path, folder: Path, *, port: int, identity_port: int) -> Iterator[Front]:
    """A Keystone and a proxy that believes it, while they are needed."""
    endpoint = f"http://127.0.0.1:{port}"
    with (
        keystone.running(identity_port, endpoint) as identity,
        proxy_believing(identity, proxy_conf, folder, port=port),
    ):
        yield Front(endpoint, identity)


@contextmanager
def proxy_believing(
    identity: str, proxy_conf: Path, folder: Path, *, port: int, delays: str = "true"
) -> Iterator[None]:
    """A proxy that asks the Keystone at that URL, whether it is there or not.

    `delays` is auth_token's delay_auth_decision: whether requests without a good token go on to keystoneauth.
    """
    conf = keystone_conf(proxy_conf.read_text(), port=port, identity=identity, delays=delays)
    with front(conf, folder, port=port):
        yield
