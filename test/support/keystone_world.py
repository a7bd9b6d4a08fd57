"""The identity service in this process: made in a folder, called without a socket.

Realm.made(folder) ──▶ domain default with admin, demo and the service's user; .log_in(…) ──▶ a token
realm.call("GET", "/v3/users", token=…) ──▶ Reply
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud import call
from databases import catalogue_url
from store import Reply

from apus.compute.api.service import Service
from apus.compute.identity.app import service_of, world_of
from apus.compute.identity.bootstrap import Founded, Founding, bootstrap
from apus.compute.identity.settings import IdentityConfig
from apus.compute.identity.world import World

PASSWORDS = {"admin": "admin-password", "demo": "demo-password", "cloud": "cloud-password"}
_numbers = itertools.count()


@dataclass
class Clock:
    """The time, and how far a test has moved it on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        """Return the time of this world."""
        return time.time() + self.ahead


@dataclass
class Realm:
    """The service and its world."""

    app: Service
    world: World
    founded: Founded
    clock: Clock
    passwords: dict[str, str] = field(default_factory=lambda: dict(PASSWORDS))

    @classmethod
    def made(cls, folder: Path, **settings: Any) -> Realm:
        """Make one; hashing passwords is cheap in it."""
        options: dict[str, Any] = {
            "database": catalogue_url(folder, "identity"),
            "token_keys": str(folder / "public"),
            "private_keys": str(folder / "private"),
            "password_memory_kib": 64,
            "password_passes": 1,
            **settings,
        }
        clock = Clock()
        world = world_of(IdentityConfig(**options), clock=clock)
        founding = Founding(
            passwords=PASSWORDS,
            endpoints={
                "identity": "http://127.0.0.1:5000/v3",
                "object-store": "http://127.0.0.1:8080/v1/AUTH_$(project_id)s",
            },
        )
        return cls(service_of(world), world, bootstrap(world, founding), clock)

    def call(self, method: str, path: str, document: Any = None, *, token: str = "", **more: Any) -> Reply:
        """Send a request."""
        return call(self.app, method, path, document, token=token, **more)

    def log_in(
        self, user: str, scope: Any = None, *, password: str | None = None, domain: str = "default"
    ) -> str:
        """Return a token of a user, by name, for a scope as the API says it."""
        reply = self.ask_token(
            {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": user,
                        "domain": {"id": domain},
                        "password": password if password is not None else self.passwords[user],
                    }
                },
            },
            scope,
        )
        assert reply.status == 201, (reply.status, reply.body)
        return reply.headers["x-subject-token"]

    def ask_token(self, identity: Any, scope: Any = None) -> Reply:
        """Ask for a token."""
        auth = {"identity": identity} | ({"scope": scope} if scope is not None else {})
        return self.call("POST", "/v3/auth/tokens", {"auth": auth})

    def make(self, kind: str, token: str, **values: Any) -> dict[str, Any]:
        """Make a thing with a new name, and return it."""
        values.setdefault("name", f"{kind}-{next(_numbers)}")
        reply = self.call("POST", f"/v3/{PLURALS[kind]}", {kind: values}, token=token)
        assert reply.status == 201, (reply.status, reply.body)
        made: dict[str, Any] = reply.json()[kind]
        if kind == "user" and "password" in values:
            self.passwords[made["name"]] = values["password"]
        return made

    def role_id(self, name: str) -> str:
        """Return a role's id."""
        reply = self.call("GET", f"/v3/roles?name={name}", token=self.admin)
        return str(reply.json()["roles"][0]["id"])

    def give(self, place: str, role: str, token: str | None = None) -> int:
        """Give a role, as in `projects/ID/users/ID`; return the status."""
        path = f"/v3/{place}/roles/{self.role_id(role)}"
        return self.call("PUT", path, token=token or self.admin).status

    @property
    def admin(self) -> str:
        """A token of who administers everything."""
        return self.log_in("admin", project("admin"))


PLURALS = {"domain": "domains", "project": "projects", "user": "users", "group": "groups", "role": "roles"}


def project(name: str, domain: str = "default") -> dict[str, Any]:
    """Return a scope by a project's name."""
    return {"project": {"name": name, "domain": {"id": domain}}}
