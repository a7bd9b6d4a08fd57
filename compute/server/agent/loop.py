"""The agent's life: heartbeats, questions for work, tasks in threads, and a look at what really runs.

    service ──orders──▶ reconcile() ──▶ one thread per server that has something to be done ──▶ reports
    driver.machines() ──▶ a power state that nobody asked for ──▶ told; a machine of a server that went ──▶
    removed

The agent keeps nothing that matters: what is wanted is in the service's catalogue, what is, in the
hypervisor. It may be
killed at any moment and started again.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from ....common.config import parse
from ....common.errors import ApusError, Refused
from ...block.config import BlockConfig
from ...store.account import Account
from ...store.config import StoreConfig
from ..states import PARTIES, Party, Power, Task, VmState
from .console import ConsoleDoor
from .disks import BlockDisks, Disks, NoDisks, server_of
from .driver import Driver
from .fake import FakeDriver
from .leases import Leases
from .service_client import ServiceClient
from .settings import AgentConfig
from .undertaking import RUNNING, Undertaker, nic_of

log = logging.getLogger(__name__)

TASKS_AT_ONCE = 8
_WITH_MACHINES = (VmState.ACTIVE, VmState.PAUSED, VmState.RESCUED)
MIB, GIB = 1 << 20, 1 << 30


class Agent:
    """Keeps one host's machines as they are wanted."""

    def __init__(self, config: AgentConfig, service: ServiceClient, driver: Driver, disks: Disks) -> None:
        self._config = config
        self._service = service
        self._driver = driver
        self._disks = disks
        folder = Path(config.folder)
        self._leases = Leases(service, disks, folder)
        self._undertaker = Undertaker(
            driver,
            disks,
            self._leases,
            folder,
            stop_seconds=config.stop_seconds,
            accelerated=is_accelerated(config.acceleration),
        )
        self._pool = ThreadPoolExecutor(TASKS_AT_ONCE, "server")
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._door = ConsoleDoor(config, driver)

    @classmethod
    def of(cls, config: AgentConfig, options: Mapping[str, str]) -> Self:
        """Return the agent that a configuration describes.

        Raises:
            Refused: something in it is missing.
        """
        if not config.host or not config.key:
            raise Refused("host and key must be set; `apus-compute-agent --key SECRET HOST` prints a key")
        service = ServiceClient(config.api_url, config.host, config.key)
        Path(config.folder).mkdir(parents=True, exist_ok=True)
        if config.driver == "fake":
            return cls(config, service, FakeDriver(), NoDisks())
        from .libvirt import LibvirtDriver

        store, block = Account(parse(StoreConfig, options)), parse(BlockConfig, options)
        driver = LibvirtDriver(config.libvirt_uri, Path(config.folder))
        return cls(config, service, driver, BlockDisks(store, Path(config.block_socket), block))

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; tasks under way are finished."""
        self._door.start()
        beats = threading.Thread(target=self._beat, args=(stop,), name="heartbeat", daemon=True)
        beats.start()
        threading.Thread(target=self._answer, args=(stop,), name="leases", daemon=True).start()
        # A question that is kept open keeps nobody from ending: its answer is the next start's.
        threading.Thread(target=self._work, args=(stop,), name="work", daemon=True).start()
        stop.wait()
        self._pool.shutdown(wait=True)
        if self._config.machines_at_end == "stop":
            self._stop_machines()
        self._door.stop()

    def _work(self, stop: threading.Event) -> None:
        sequence, is_tidy = 0, False
        while not stop.is_set():
            try:
                sequence, orders = self._service.work(sequence, self._config.wait_seconds)
                if not is_tidy:
                    self.forget_memories(orders)
                    is_tidy = True
                if not stop.is_set():
                    self.reconcile(orders)
            except ApusError as problem:
                log.warning("no work to be had", extra={"reason": str(problem)})
                stop.wait(min(5.0, self._config.heartbeat_seconds))
            except Exception:  # noqa: BLE001 - the loop that keeps the agent alive
                log.exception("the agent failed")
                stop.wait(self._config.heartbeat_seconds)

    def forget_memories(self, orders: list[dict[str, Any]]) -> None:
        """Remove what a killed agent left of guests that were saved, where they run and nobody moves them."""
        running = {each for each, power in self._driver.machines().items() if power in RUNNING}
        for order in orders:
            if order["id"] in running and not order["task_state"]:
                self._undertaker.forget_memory(order["id"])

    def _stop_machines(self) -> None:
        """Have all guests shut down, side by side."""
        running = [each for each, power in self._driver.machines().items() if power in RUNNING]
        with ThreadPoolExecutor(len(running) + 1, "end") as crew:
            for server_id in running:
                crew.submit(self._driver.stop, server_id, self._config.stop_seconds)
        try:
            self.look()
        except ApusError as problem:
            log.warning("nobody heard that the machines stopped", extra={"reason": str(problem)})

    def reconcile(self, orders: list[dict[str, Any]]) -> None:
        """Begin what is to be done for each server, where nothing is under way for it."""
        for order in orders:
            task = order["task_state"]
            if task and PARTIES[Task(task)] is Party.SERVICE:
                continue  # It has chosen this host, and is making ports and disks ready.
            if not task and not _has_moving_parts(order):
                continue
            with self._lock:
                if order["id"] in self._busy:
                    continue
                self._busy.add(order["id"])
            self._pool.submit(self._serve, order)

    def _serve(self, order: dict[str, Any]) -> None:
        try:
            self.serve(order)
        except Exception:  # noqa: BLE001 - a thread of the pool: whoever waits for it, waits for nothing
            log.exception("an order failed", extra={"server": order["id"]})
        finally:
            with self._lock:
                self._busy.discard(order["id"])

    def serve(self, order: dict[str, Any]) -> None:
        """Do one server's task, or plug and unplug what it is to have."""

        def tell(document: Mapping[str, Any]) -> None:
            self._service.report(order["id"], document)

        if order["task_state"]:
            report: dict[str, Any] = {"task": order["task_state"], "ok": True}
            try:
                report |= self._undertaker.do(order)
            except ApusError as problem:
                report |= {"ok": False, "message": str(problem)}
                log.warning("a task failed", extra={"server": order["id"], "reason": str(problem)})
            tell(report)
            if order["task_state"] == Task.MIGRATING and not order["task"].get("arriving"):
                is_elsewhere = self._service.is_elsewhere(order["id"])
                self._undertaker.settle(order, is_elsewhere=is_elsewhere)
            return
        runs = self._driver.machines().get(order["id"]) in RUNNING
        for device in order["devices"]:
            if device["state"] in ("attaching", "detaching"):
                tell(self._device(order, device, runs=runs))
        for port in order["interfaces"]:
            if port["state"] in ("attaching", "detaching"):
                tell(self._port(order, port, runs=runs))

    def _device(self, order: Mapping[str, Any], device: Mapping[str, Any], *, runs: bool) -> dict[str, Any]:
        coming = device["state"] == "attaching"
        try:
            if coming:
                disk = self._undertaker.disk(order["id"], device)
                if runs:
                    self._driver.plug_disk(order["id"], disk)
            else:
                if runs and device["connection"]:
                    self._driver.unplug_disk(order["id"], device["device"])
                self._undertaker.let_go(order["id"], device)
        except ApusError as problem:
            log.warning("a disk was not moved", extra={"server": order["id"], "reason": str(problem)})
            return {"device": device["id"], "state": "failed" if coming else "kept", "message": str(problem)}
        return {"device": device["id"], "state": "attached" if coming else "detached"}

    def _port(self, order: Mapping[str, Any], port: Mapping[str, Any], *, runs: bool) -> dict[str, Any]:
        coming = port["state"] == "attaching"
        try:
            if runs:
                (self._driver.plug_nic if coming else self._driver.unplug_nic)(order["id"], nic_of(port))
        except ApusError as problem:
            log.warning("a port was not moved", extra={"server": order["id"], "reason": str(problem)})
            return {"interface": port["port_id"], "state": "failed" if coming else "attached"}
        return {"interface": port["port_id"], "state": "attached" if coming else "detached"}

    def _beat(self, stop: threading.Event) -> None:
        while True:
            try:
                self._service.register(self.resources())
                self.look()
            except ApusError as problem:
                log.warning("a heartbeat was not heard", extra={"reason": str(problem)})
            except Exception:  # noqa: BLE001 - the loop that keeps the heart beating
                log.exception("a heartbeat failed")
            if stop.wait(self._config.heartbeat_seconds):
                return

    def _answer(self, stop: threading.Event) -> None:
        while not stop.wait(self._config.lease_seconds):
            for work in (self._look_at_volumes, self.make_room):  # One needs the services, the other doesn't.
                try:
                    work()
                except ApusError as problem:
                    log.warning("disks were not looked at", extra={"reason": str(problem)})
                except Exception:  # noqa: BLE001 - the loop for which snapshots of attached volumes wait
                    log.exception("disks were not looked at")

    def _look_at_volumes(self) -> None:
        if self._leases.are_there():
            self._leases.answer()

    def make_room(self) -> None:
        """Commit servers' own disks whose changes take too much room here.

        Their maps stay till the server goes, or its next picture is taken: others may know of those before.
        """
        for name in self._disks.crowded():
            server_id = server_of(name)
            with self._lock:
                if server_id is None or server_id in self._busy:
                    continue
                self._busy.add(server_id)  # Whoever takes a picture removes maps that he doesn't know of.
            try:
                self._disks.commit(name, f"{name}-{uuid.uuid4().hex[:8]}")
            except ApusError as problem:
                log.warning("a disk was not committed", extra={"disk": name, "reason": str(problem)})
            finally:
                with self._lock:
                    self._busy.discard(server_id)

    def look(self) -> None:
        """Tell what really runs, where that may differ; remove machines whose servers went elsewhere."""
        self._driver.go_on()
        _, orders = self._service.work(-1, 0)
        known = {order["id"]: order for order in orders}
        machines = self._driver.machines()
        for server_id in {*machines, *known, *self._undertaker.homes()}:
            with self._lock:
                if server_id in self._busy:
                    continue
            order, power = known.get(server_id), machines.get(server_id)
            if order is None:
                self._remove_if_elsewhere(server_id)
            elif power is None:  # The host was switched off, or somebody has removed the machine.
                if order["vm_state"] in _WITH_MACHINES and not order["task_state"]:
                    self._service.report(server_id, {"power": int(Power.SHUTDOWN)})
            elif not order["task_state"] and order["power_state"] != power:
                self._service.report(server_id, {"power": int(power)})

    def _remove_if_elsewhere(self, server_id: str) -> None:
        """Remove a machine whose server is not this host's; one that nobody knows is left alone."""
        if self._service.is_elsewhere(server_id):
            log.info("machine removed", extra={"server": server_id})
            self._driver.remove(server_id)
            self._undertaker.clear(server_id)

    def resources(self) -> dict[str, Any]:
        """Return what the host has."""
        config = self._config
        with open("/proc/meminfo", encoding="ascii") as lines:
            memory = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) // 1024
        disk = shutil.disk_usage(config.folder).total // GIB
        return {
            "vcpus": config.vcpus or os.cpu_count() or 1,
            "memory_mib": config.memory_mib or memory,
            "disk_gib": config.disk_gib or disk,
            "hypervisor_type": self._driver.hypervisor_type,
            "hypervisor_version": self._driver.hypervisor_version,
            "console_url": self._door.url,
            "address": config.console_ip,
        }


def is_accelerated(wish: str) -> bool:
    """Whether machines shall run by KVM.

    A machine that is itself virtual may have a /dev/kvm that its processor does not stand behind: guests
    started
    with it hang before their first line.
    """
    if wish != "auto":
        return wish == "kvm"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        able = any({"vmx", "svm"} & set(line.split()) for line in lines if line.startswith("flags"))
    return able and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _has_moving_parts(order: Mapping[str, Any]) -> bool:
    return any(
        part["state"] in ("attaching", "detaching") for part in (*order["devices"], *order["interfaces"])
    )
