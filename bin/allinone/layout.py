"""Where everything of an all-in-one cluster is: folders, ports and roles, derived from a few facts.

    home, port, nodes ──▶ Layout ──▶ Service: what one process is started with and where its traces are

No disk, process or environment is touched here; `Layout` is what cluster.json holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

PORTS_PER_NODE = 10
PORT_MAX = 65535
REPLICAS_MAX = 3
KINDS = ("object", "container", "account")
_DAEMONS = {
    "object": ("replicator", "auditor", "updater", "expirer"),
    "container": ("replicator", "auditor", "updater", "sync", "lifecycle"),
    "account": ("replicator", "auditor", "reaper"),
}
SERVERS = tuple(f"{kind}-server" for kind in KINDS)
DAEMONS = tuple(f"{kind}-{daemon}" for kind in KINDS for daemon in _DAEMONS[kind])
PROXY = "proxy-server"
NOTIFIER = "container-notifier"
TENANTS = ("identity", "image", "volume", "compute", "network")
"""The cloud's services, in the order of their ports, which follow the proxy's."""
SWEEPER = "block-sweeper"
BLOCK_SERVER, COMPUTE_AGENT, NETWORK_AGENT = "block-server", "compute-agent", "network-agent"
CONSOLES = "console-server"
AGENTS = (BLOCK_SERVER, COMPUTE_AGENT, NETWORK_AGENT, CONSOLES)
"""What makes this machine a host of servers."""
FIRST_RANGE = "172.24.4.0/24"
_AGENT_PORT, _CONSOLES_PORT = 6, 7  # Counted from the proxy's.
_SHORT = Path("/run")


@dataclass(frozen=True, slots=True)
class Node:
    """One storage node: a zone of its own, a block of ports and one device."""

    number: int
    first_port: int
    folder: Path

    @property
    def name(self) -> str:
        """What people call it: node1."""
        return f"node{self.number}"

    @property
    def device(self) -> str:
        """The device's name in the rings, unlike any other node's."""
        return f"d{self.number}"

    @property
    def devices(self) -> Path:
        """The folder that holds the node's devices, as /srv/node does in production."""
        return self.folder / "devices"

    @property
    def device_path(self) -> Path:
        """Where the device would be mounted."""
        return self.devices / self.device

    @property
    def cache(self) -> Path:
        """Where the node's daemons leave their figures for /recon."""
        return self.folder / "cache"

    def port(self, kind: str) -> int:
        """The port of the node's object, container or account server."""
        return self.first_port + KINDS.index(kind)

    def conf(self, kind: str) -> Path:
        """The conf that the server of that kind and its daemons share."""
        return self.folder / "etc" / f"{kind}-server.conf"


@dataclass(frozen=True, slots=True)
class Service:
    """One process that should run: its role, and where its conf, log and pid file are."""

    role: str
    node: Node | None
    conf: Path
    port: int | None

    @property
    def place(self) -> str:
        """The node's name, or else "proxy" or "cloud"."""
        return self.node.name if self.node else self.folder.name

    @property
    def module(self) -> str:
        """The module whose main() it runs."""
        return f"apus.bin.{self.role.replace('-', '_')}"

    @property
    def folder(self) -> Path:
        """The folder of the machine that it runs on."""
        return self.conf.parent.parent

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "logs" / f"{self.role}.log"

    @property
    def pid_file(self) -> Path:
        """Where its identity is kept while it runs."""
        return self.folder / "run" / f"{self.role}.pid"


@dataclass(frozen=True, slots=True)
class Layout:
    """One cluster: everything else follows from these facts."""

    home: Path
    bind_ip: str
    port: int
    workers: int
    numbers: tuple[int, ...]
    last_number: int
    background: bool = True
    has_cloud: bool = False
    wants_agents: bool = True
    agents: tuple[str, ...] = ()
    public_range: str = FIRST_RANGE

    @classmethod
    def fresh(
        cls,
        home: Path,
        *,
        bind_ip: str,
        port: int,
        workers: int,
        nodes: int,
        background: bool = True,
    ) -> Layout:
        """A cluster that does not exist yet; ValueError where its ports do not fit.

        Without a background its daemons run only when they are told to, with `once`.
        """
        if nodes < 1:
            raise ValueError(f"a cluster needs a storage node, not {nodes}")
        if workers < 1:
            raise ValueError(f"a server needs a worker process, not {workers}")
        numbers = tuple(range(1, nodes + 1))
        layout = cls(home, bind_ip, port, workers, numbers, nodes, background)
        return layout._checked()

    @classmethod
    def from_json(cls, home: Path, text: str) -> Layout:
        """The layout that `to_json` wrote into the home's cluster.json."""
        facts = json.loads(text)
        return cls(
            home=home,
            bind_ip=str(facts["bind_ip"]),
            port=int(facts["port"]),
            workers=int(facts["workers"]),
            numbers=tuple(int(number) for number in facts["nodes"]),
            last_number=int(facts["last_node"]),
            background=bool(facts.get("background", True)),
            has_cloud=bool(facts.get("cloud", False)),
            wants_agents=bool(facts.get("wants_agents", True)),
            agents=tuple(str(role) for role in facts.get("agents", ())),
            public_range=str(facts.get("public_range", FIRST_RANGE)),
        )

    def to_json(self) -> str:
        """What cluster.json holds."""
        facts = {
            "bind_ip": self.bind_ip,
            "port": self.port,
            "workers": self.workers,
            "nodes": list(self.numbers),
            "last_node": self.last_number,
            "background": self.background,
            "cloud": self.has_cloud,
            "wants_agents": self.wants_agents,
            "agents": list(self.agents),
            "public_range": self.public_range,
        }
        return json.dumps(facts, indent=2) + "\n"

    def _checked(self) -> Layout:
        highest = self.port + PORTS_PER_NODE * (self.last_number + 1) - 1
        if not 0 < self.port <= highest <= PORT_MAX:
            raise ValueError(f"ports {self.port} to {highest} are needed, which is outside 1 to {PORT_MAX}")
        return self

    @property
    def replicas(self) -> int:
        """How many copies are kept: three where there are three nodes to keep them on."""
        return min(REPLICAS_MAX, len(self.numbers))

    @property
    def etc(self) -> Path:
        """The folder of rings and of the cluster's conf: what operators call swift_dir."""
        return self.home / "etc"

    @property
    def cluster_conf(self) -> Path:
        """What all processes agree on, the salt among it."""
        return self.etc / "swift.conf"

    @property
    def state_file(self) -> Path:
        """Where the layout itself is kept."""
        return self.home / "cluster.json"

    @property
    def users_file(self) -> Path:
        """Where a person puts users of their own."""
        return self.home / "users.conf"

    @property
    def reachable_ip(self) -> str:
        """An address on which this machine reaches the proxy."""
        return "127.0.0.1" if self.bind_ip == "0.0.0.0" else self.bind_ip

    @property
    def endpoint(self) -> str:
        """The proxy's URL."""
        return f"http://{self.reachable_ip}:{self.port}"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The storage nodes."""
        return tuple(self._node(number) for number in self.numbers)

    def _node(self, number: int) -> Node:
        return Node(number, self.port + PORTS_PER_NODE * number, self.home / f"node{number}")

    def node(self, name: str) -> Node:
        """The node called "node2", or "2"; KeyError with what there is."""
        for node in self.nodes:
            if name in (node.name, str(node.number)):
                return node
        raise KeyError(f"no node {name!r}; there are {', '.join(node.name for node in self.nodes)}")

    def grown(self) -> Layout:
        """With one more node, whose number was never used before."""
        number = self.last_number + 1
        return replace(self, numbers=(*self.numbers, number), last_number=number)._checked()

    def shrunk(self, node: Node) -> Layout:
        """Without that node."""
        return replace(self, numbers=tuple(number for number in self.numbers if number != node.number))

    @property
    def proxy(self) -> Service:
        """The proxy's process."""
        return Service(PROXY, None, self.home / "proxy" / "etc" / "proxy-server.conf", self.port)

    @property
    def notifier(self) -> Service:
        """Who calls webhooks, one for the cluster; it runs where somebody has named any."""
        return Service(NOTIFIER, None, self.home / "proxy" / "etc" / f"{NOTIFIER}.conf", None)

    @property
    def cloud(self) -> Path:
        """The folder of the cloud's services."""
        return self.home / "cloud"

    @property
    def cloud_secrets(self) -> Path:
        """What the cloud's services know each other by."""
        return self.cloud / "etc" / "secrets.json"

    @property
    def token_keys(self) -> Path:
        """Where keys and revocations are published, by which tokens are checked."""
        return self.cloud / "token-keys"

    @property
    def clouds_file(self) -> Path:
        """What `openstack --os-cloud` reads."""
        return self.home / "clouds.yaml"

    def tenant(self, name: str) -> Service:
        """The process of one of the cloud's services, whether it should run or not."""
        role = f"{name}-server"
        return Service(role, None, self.cloud / "etc" / f"{role}.conf", self.port + 1 + TENANTS.index(name))

    def tenant_url(self, name: str) -> str:
        """Its URL."""
        return f"http://{self.reachable_ip}:{self.tenant(name).port}"

    @property
    def sweeper(self) -> Service:
        """Who removes blocks that no disk has."""
        return Service(SWEEPER, None, self.cloud / "etc" / f"{SWEEPER}.conf", None)

    def agent(self, role: str) -> Service:
        """An agent's process, whether it should run or not."""
        return Service(role, None, self.cloud / "etc" / f"{role}.conf", None)

    @property
    def console_port(self) -> int:
        """Where the compute agent is asked for consoles."""
        return self.port + _AGENT_PORT

    @property
    def consoles_port(self) -> int:
        """Where people open them."""
        return self.port + _CONSOLES_PORT

    @property
    def short_cloud(self) -> Path:
        """The way to the cloud's folder whose sockets' paths are short enough for the kernel."""
        return _SHORT / f"apus-{hashlib.sha256(str(self.home).encode()).hexdigest()[:8]}"

    @property
    def tenants(self) -> tuple[Service, ...]:
        """The cloud's services that should run, then the agents that can."""
        if not self.has_cloud:
            return ()
        sweepers = (self.sweeper,) if self.background else ()
        agents = (self.agent(role) for role in AGENTS if role in self.agents)
        return (*(self.tenant(name) for name in TENANTS), *sweepers, *agents)

    def services_of(self, node: Node) -> Iterator[Service]:
        """The node's processes that should run, servers first."""
        for role in SERVERS + (DAEMONS if self.background else ()):
            yield self.service(node, role)

    def service(self, node: Node, role: str) -> Service:
        """The node's process of that role, whether it should run or not."""
        kind = role.partition("-")[0]
        return Service(role, node, node.conf(kind), node.port(kind) if role in SERVERS else None)

    @property
    def services(self) -> tuple[Service, ...]:
        """Every process of the cluster: servers before daemons within a node, the proxy, the cloud's."""
        storage = (service for node in self.nodes for service in self.services_of(node))
        return (*storage, self.proxy, *self.tenants)
