"""What apus-aio tells: for people in a table, for scripts as JSON.

Cluster ──▶ status() ──▶ the contract's dictionary ──▶ table() or json
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from . import processes
from .cluster import Cluster, Risen
from .layout import COMPUTE_AGENT, SERVERS, TENANTS, Layout


def status(cluster: Cluster) -> dict[str, Any]:
    """What runs, in the shape that the contract promises to scripts."""
    layout = cluster.layout
    alive = processes.running(layout.services)
    proxy_runs = layout.proxy in alive
    return {
        "endpoint": layout.endpoint if proxy_runs else None,
        "auth_v1": f"{layout.endpoint}/auth/v1.0" if proxy_runs else None,
        "s3": layout.endpoint if proxy_runs else None,
        **{name: layout.tenant_url(name) if layout.tenant(name) in alive else None for name in TENANTS},
        "processes": [
            {
                "role": service.role,
                "node": service.node.name if service.node else None,
                "pid": identity.pid,
                "port": service.port,
            }
            for service, identity in alive.items()
        ],
        "devices": [
            {"node": node.name, "device": node.device, "path": str(node.device_path)} for node in layout.nodes
        ],
    }


def table(cluster: Cluster, console: Console) -> None:
    """Print the state of the cluster, one line a machine."""
    layout = cluster.layout
    alive = processes.running(layout.services)
    grid = Table("machine", "servers", "daemons", "ports", "device", box=None, pad_edge=False)
    for node in layout.nodes:
        services = list(layout.services_of(node))
        servers = [service for service in services if service.role in SERVERS]
        daemons = [service for service in services if service.role not in SERVERS]
        grid.add_row(
            node.name,
            _count(sum(service in alive for service in servers), len(servers)),
            _count(sum(service in alive for service in daemons), len(daemons)),
            f"{node.first_port}–{node.first_port + len(servers) - 1}",
            str(node.device_path),
        )
    grid.add_row("proxy", _count(int(layout.proxy in alive), 1), "", str(layout.port), "")
    if layout.tenants:
        ports = [service.port for service in layout.tenants if service.port]
        count = _count(sum(service in alive for service in layout.tenants), len(layout.tenants))
        grid.add_row("cloud", count, "", f"{min(ports)}–{max(ports)}", "")
    console.print(grid)


def _count(alive: int, wanted: int) -> str:
    if alive == wanted:
        return f"{alive} run"
    return f"{alive} of {wanted} run" if alive else "down"


def risen(cluster: Cluster, what: Risen, console: Console) -> None:
    """Print what a person needs next."""
    layout = cluster.layout
    user, key = cluster.first_user()
    if not what.started:
        console.print(f"The store already runs; nothing changed. Endpoint: {layout.endpoint}")
    else:
        console.print(
            f"The store runs: {len(what.started)} processes started, {len(layout.nodes)} storage nodes and a "
            f"proxy; {what.proved_bytes // 1024} KiB were uploaded and came back identical."
        )
    for note in what.notes:
        console.print(f"  {note}", soft_wrap=True)
    console.print(f"\n  endpoint   {layout.endpoint}/auth/v1.0   (auth v1)")
    console.print(f"  user       {user}   key  {key}")
    console.print(f"  S3         {layout.endpoint}   access key  {user}   secret  {key}")
    if layout.has_cloud:
        console.print(f"  cloud      {layout.tenant_url('identity')}/v3   users in {layout.clouds_file}")
    console.print("\nTry:")
    for command in (*_next_commands(layout, user, key), *_cloud_commands(layout)):
        console.print(f"  {command}", soft_wrap=True)


def _cloud_commands(layout: Layout) -> tuple[str, ...]:
    if not layout.has_cloud:
        return ()
    login = f"export OS_CLIENT_CONFIG_FILE={layout.clouds_file} OS_CLOUD=demo"
    if COMPUTE_AGENT in layout.agents:
        image = "image create --disk-format raw --container-format bare --file guest.img tiny"
        server = "server create --image tiny --flavor m1.nano --network private --wait first"
        return (
            login,
            f".venv/bin/apus-guest-image guest.img && .venv/bin/openstack {image}",
            f".venv/bin/openstack {server} && .venv/bin/openstack console url show --serial first",
        )
    return (
        login,
        ".venv/bin/openstack image create --file README.md --disk-format raw --container-format bare readme",
        ".venv/bin/openstack volume create --image readme --size 1 disk && .venv/bin/openstack volume list",
    )


def _next_commands(layout: Layout, user: str, key: str) -> tuple[str, ...]:
    credentials = f"ST_AUTH={layout.endpoint}/auth/v1.0 ST_USER={user} ST_KEY={key}"
    keys = f"AWS_ACCESS_KEY_ID={user} AWS_SECRET_ACCESS_KEY={key}"
    last = f"node{layout.numbers[-1]}"
    return (
        f"export {credentials}",
        ".venv/bin/swift upload documents README.md && .venv/bin/swift list documents --long",
        f"bin/apus-aio kill {last} && .venv/bin/swift download documents README.md --output -",
        f"{keys} aws --endpoint-url {layout.endpoint} s3 ls s3://documents",
    )
