"""One of the cloud's services as a process of its own over a real store, with an identity service in the test's.

TenantService("image", CONF, folder, store) ──▶ .url, .token, .project_id, .pid, .start(), .stop(), .openstack(…)
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from clusters import free_port_block
from fronts import front
from keystone_world import Realm, project
from programs import openstack
from store import KEYS, Store

USER = "test:tester"
PATIENCE_SECONDS = 120


class TenantService:
    """The process, and who asks: the user demo in the project demo."""

    endpoint = ""
    """What follows the service's URL in the catalogue; {project} is the project's id."""

    def __init__(self, kind: str, conf: str, folder: Path, store: Store, **words: object) -> None:
        """Start it by a conf in which {port}, {folder}, {store}, {user}, {key} and the words are filled in."""
        self._kind, self._folder = kind, folder
        self.realm = Realm.made(folder)
        self.port = free_port_block(1)
        self.url = f"http://127.0.0.1:{self.port}"
        known: dict[str, object] = {"port": self.port, "folder": folder, "store": store.endpoint}
        self.conf = conf.format(**known, user=USER, key=KEYS[USER], **words)
        self.token = self.realm.log_in("demo", project("demo"))
        shown = {"X-Subject-Token": self.token}
        told = self.realm.call("GET", "/v3/auth/tokens", token=self.token, headers=shown).json()
        self.project_id = str(told["token"]["project"]["id"])
        self.start()

    def start(self) -> None:
        """Start the process, also again."""
        self._running: AbstractContextManager[Store] = front(
            self.conf, self._folder, port=self.port, kind=self._kind
        )
        self._running.__enter__()

    def stop(self) -> None:
        """End it."""
        self._running.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        """Its process id."""
        return int((self._folder / f"{self._kind}-server-{self.port}.pid").read_text())

    def openstack(self, *commands: str, cwd: Path) -> list[Any]:
        """Run `openstack` with our token."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        environment |= {
            "OS_AUTH_TYPE": "admin_token",
            "OS_ENDPOINT": self.url + self.endpoint.format(project=self.project_id),
            "OS_TOKEN": self.token,
        }
        return openstack(environment, commands, cwd)
