"""What can be done to an all-in-one cluster: bring it up, take it down, break it, grow it.

    Layout ──▶ Cluster.up(), down(), kill(), start(), wipe(), add_node(), remove_node(), once()

Each method does one thing to rings, confs and processes and returns what happened, as words or
values; printing is aio.py's.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...common.errors import ApusError, Refused
from ...proxy.middleware.s3.notification import targets
from . import confs, processes, rings, tenants
from .layout import AGENTS, COMPUTE_AGENT, DAEMONS, NETWORK_AGENT, Layout, Node, Service
from .proof import prove

REPLICATORS = ("account-replicator", "container-replicator", "object-replicator")
_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Risen:
    """What `up` did."""

    started: tuple[Service, ...]
    proved_bytes: int
    notes: tuple[str, ...] = ()


class Cluster:
    """One all-in-one cluster; everything it knows is on disk in its home."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def at(cls, home: Path) -> Cluster | None:
        """The cluster that lives in the folder, or None."""
        try:
            return cls(Layout.from_json(home, (home / "cluster.json").read_text()))
        except FileNotFoundError:
            return None

    @property
    def _ips(self) -> dict[str, str]:
        storage = {node.name: "127.0.0.1" for node in self.layout.nodes}
        return {**storage, "proxy": self.layout.reachable_ip, "cloud": self.layout.reachable_ip}

    def users(self) -> dict[str, str]:
        """Who may log in: the home's users.conf, or else the well-known test users."""
        try:
            text = self.layout.users_file.read_text()
        except FileNotFoundError:
            return dict(confs.TEST_USERS)
        try:
            return confs.parse_users(text)
        except ValueError as problem:
            raise Refused(f"{self.layout.users_file}, {problem}") from problem

    def first_user(self) -> tuple[str, str]:
        """The name and key to try the store with; the test tester, where it exists."""
        users = self.users()
        if not users:
            raise Refused(f"{self.layout.users_file} names no user")
        chosen = "user_test_tester" if "user_test_tester" in users else next(iter(users))
        _, account, name = chosen.split("_", 2)
        return f"{account}:{name}", users[chosen].split()[0]

    def up(self, *, with_cloud: bool = False, wants_agents: bool = True) -> Risen:
        """Make what is missing, start what does not run, and prove that the whole works.

        A cluster that has had no cloud so far gets one where that is wanted; none loses it. A new cloud that
        wants no agents has services only: whoever tests it brings hosts of his own.
        """
        self._refuse_open_doors()
        with self._alone():
            if not self.layout.state_file.exists():
                self._create()
            if with_cloud and not self.layout.has_cloud:
                self._add_cloud(wants_agents=wants_agents)
            notes = self._take_agents() if self.layout.has_cloud and self.layout.wants_agents else ()
            wanted = (*self.layout.services, *self._notifier())
            alive = processes.running(wanted)
            missing = tuple(service for service in wanted if service not in alive)
            if not missing:
                return Risen((), 0, notes)
            self._take_over_users()
            if any(service in missing for service in self.layout.tenants):
                tenants.found(self.layout, tenants.Secrets.of(self.layout))
            processes.start(missing, ip_of=self._ips)
        proved = prove(self.layout.endpoint, *self.first_user())
        if any(service.role in AGENTS for service in missing):
            from . import furniture

            notes += furniture.furnish(self.layout)
        return Risen(missing, proved, notes)

    def down(self) -> int:
        """End every process, guests first, while their disks and networks are there; return how many ran."""
        with self._alone():
            # Also agents that could not be started again: who runs is told by the pid files.
            agents = tuple(self.layout.agent(role) for role in AGENTS)
            everyone = (*self.layout.services, *agents, self.layout.notifier)
            if not self.layout.has_cloud:
                return processes.stop(everyone)
            from . import hosting

            agent = self.layout.agent(COMPUTE_AGENT)
            ended = processes.stop((agent,), 2 * hosting.STOP_SECONDS)
            ended += processes.stop(everyone)
            hosting.clear(self.layout)
            return ended

    def kill(self, name: str) -> int:
        """SIGKILL every process of a node; return how many ran."""
        return processes.kill(self.layout.services_of(self._node(name)))

    def start(self, name: str) -> int:
        """Start the processes of a node; return how many were missing."""
        with self._alone():
            return self._start(list(self.layout.services_of(self._node(name))))

    def wipe(self, name: str) -> Path:
        """Swap a device ("node1/d1") for an empty one; return its path."""
        node_name, _, device = name.partition("/")
        node = self._node(node_name)
        if device != node.device:
            raise Refused(f"no device {name!r}; {node.name} has {node.name}/{node.device}")
        with self._alone():
            gone = node.folder / "swapped-out"
            shutil.rmtree(gone, ignore_errors=True)
            node.device_path.rename(gone)
            node.device_path.mkdir()
            shutil.rmtree(gone, ignore_errors=True)
        return node.device_path

    def add_node(self) -> Node:
        """Grow by one node: ring, confs, processes."""
        try:
            grown = self.layout.grown()
        except ValueError as problem:
            raise Refused(str(problem)) from problem
        with self._alone():
            node = grown.nodes[-1]
            _make_folders(node)
            _write(confs.node_files(grown, node))
            self._save(grown)
            self._start(list(grown.services_of(node)))
            rings.add(grown, node)
        return node

    def remove_node(self, name: str) -> Node:
        """Shrink by one node: its partitions move to the others first, then it leaves the ring and stops."""
        node = self._node(name)
        if len(self.layout.numbers) <= self.layout.replicas:
            raise Refused(
                f"{len(self.layout.numbers)} nodes are needed for {self.layout.replicas} copies of everything"
            )
        with self._alone():
            rings.drain(self.layout, node)
        for _ in range(2):  # The second pass removes what the first one could not yet prove to be elsewhere.
            failed = [service for service, status in self.once(REPLICATORS) if status]
            if failed:
                raise ApusError(
                    f"{failed[0].place}'s {failed[0].role} failed while {node.name} was emptied; it is kept, "
                    f"at weight 0; see {failed[0].log} and try again"
                )
        with self._alone():
            rings.remove(self.layout, node)
            processes.stop(self.layout.services_of(node))
            self._save(self.layout.shrunk(node))
        return node

    def once(self, daemons: Sequence[str]) -> list[tuple[Service, int]]:
        """Run daemons to their end on all live nodes, in that order; their twins in the background rest."""
        for daemon in daemons:
            if daemon not in DAEMONS:
                raise Refused(f"no daemon {daemon!r}; there are {', '.join(DAEMONS)}")
        with self._alone():
            live = [self.layout.node(name) for name in processes.live_nodes(self.layout)]
            groups = [[self.layout.service(node, daemon) for node in live] for daemon in daemons]
            twins = list(processes.running({service for group in groups for service in group}))
            processes.stop(twins)
            try:
                return processes.run(groups, ["--once"])
            finally:
                processes.start(twins, ip_of=self._ips)

    def _node(self, name: str) -> Node:
        try:
            return self.layout.node(name)
        except KeyError as problem:
            raise Refused(str(problem.args[0])) from problem

    def _start(self, services: Sequence[Service]) -> int:
        missing = len(services) - len(processes.running(services))
        processes.start(services, ip_of=self._ips)
        return missing

    def _create(self) -> None:
        for node in self.layout.nodes:
            _make_folders(node)
        salt = {"prefix": secrets.token_hex(8), "suffix": secrets.token_hex(8)}
        texts = confs.files(self.layout, self.users(), **salt)
        if self.layout.cluster_conf.exists():
            del texts[self.layout.cluster_conf]  # Under another salt nobody would find what is stored.
        _write(texts)
        rings.create(self.layout)
        self._save(self.layout)

    def _add_cloud(self, *, wants_agents: bool) -> None:
        """Write the confs of the cloud's services, and have the proxy know their users."""
        tenants.refuse_without_libraries()
        layout = replace(self.layout, has_cloud=True, wants_agents=wants_agents)
        _write(tenants.files(layout, tenants.Secrets.of(layout)))
        processes.stop((layout.proxy,))
        self._save(layout)
        self._write_proxy_conf()

    def _take_agents(self) -> tuple[str, ...]:
        """Have the agents run that can run here; say why the others do not."""
        from . import hosting  # Only a cloud needs what it imports.

        obstacles = hosting.obstacles()
        roles = tuple(role for role in AGENTS if role not in obstacles)
        layout = replace(self.layout, agents=roles)
        if roles:
            if not layout.agent(NETWORK_AGENT).conf.exists():
                layout = replace(layout, public_range=hosting.free_range())
            hosting.prepare(layout)
            texts = hosting.files(layout, tenants.Secrets.of(layout))
            _write({path: text for path, text in texts.items() if not path.exists()})
        if layout != self.layout:
            self._save(layout)
        notes = [f"not run: {role}: {why}" for role, why in obstacles.items()]
        if NETWORK_AGENT in roles and (rival := hosting.rival(layout)):
            notes.append(
                f"{hosting.gateway_of(layout)} is on {rival} already, another cloud's perhaps: floating "
                "addresses of this one can't be reached from this machine while that is so"
            )
        return tuple(notes)

    def _notifier(self) -> tuple[Service, ...]:
        """Return who calls webhooks, where a person has named any."""
        if not (self.layout.etc / targets.FILE).exists():
            return ()
        notifier = self.layout.notifier
        if not notifier.conf.exists():
            _write({notifier.conf: confs.notifier_conf(self.layout)})
        return (notifier,)

    def _take_over_users(self) -> None:
        """Take over changed users; everything else of the conf a person may have edited by hand."""
        users_file, conf = self.layout.users_file, self.layout.proxy.conf
        if users_file.exists() and users_file.stat().st_mtime > conf.stat().st_mtime:
            self._write_proxy_conf()

    def _write_proxy_conf(self) -> None:
        password = tenants.Secrets.of(self.layout).cloud_password if self.layout.has_cloud else ""
        _write({self.layout.proxy.conf: confs.proxy_conf(self.layout, self.users(), password)})

    def _save(self, layout: Layout) -> None:
        self.layout = layout
        draft = layout.state_file.with_suffix(".new")
        draft.write_text(layout.to_json())
        draft.rename(layout.state_file)

    def _refuse_open_doors(self) -> None:
        known = confs.well_known(self.users())
        if known and not self.layout.bind_ip.startswith(_LOOPBACK):
            raise Refused(
                f"I will not listen on {self.layout.bind_ip} with the test credentials that everybody knows. "
                f"Write users of your own into {self.layout.users_file}, one a line, and run it again:\n"
                "    user_ACCOUNT_NAME = KEY .admin"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the home's lock: two commands must not start or stop the same processes at once."""
        self.layout.home.mkdir(parents=True, exist_ok=True)
        with (self.layout.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _make_folders(node: Node) -> None:
    for folder in (node.device_path, node.cache):
        folder.mkdir(parents=True, exist_ok=True)


def _write(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)  # Before there is a secret in it.
        path.write_text(text)
