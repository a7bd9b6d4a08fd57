"""GET /recon/…: how a storage node is, for the tools that go round the cluster and ask.

    apus-recon, swift-recon ──GET /recon/replication/object──▶ filter ──▶ JSON
                                  figures of daemons (recon_cache) ─┤
                                  /proc, devices, rings, swift.conf ┘

Paths and fields are OpenStack Swift's. It tells; it changes nothing and knows no cluster beyond this node.
"""

from __future__ import annotations

import hashlib
import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from . import metrics, recon_cache
from .cluster import DEFAULT_DIRECTORY
from .config import parse, setting
from .doors import before
from .http.answer import Answer
from .http.wsgi import Environ, WSGIApp

log = logging.getLogger(__name__)

PREFIX = "/recon/"
STOCK_CONF = "/etc/swift/swift.conf"  # The name under which swift-recon looks for the checksum.
QUARANTINE = "quarantined"

_REPLICATION = ("replication_time", "replication_stats", "replication_last")
CACHED: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("replication", "account"): ("account", _REPLICATION),
    ("replication", "container"): ("container", _REPLICATION),
    ("replication", "object"): (
        "object",
        (*_REPLICATION, "object_replication_time", "object_replication_last"),
    ),
    ("reconstruction", "object"): ("object", ("object_reconstruction_last", "object_reconstruction_time")),
    ("updater", "container"): ("container", ("container_updater_sweep",)),
    ("updater", "object"): (
        "object",
        ("object_updater_sweep", "object_updater_stats", "object_updater_last"),
    ),
    ("expirer", "object"): ("object", ("object_expiration_pass", "expired_last_pass")),
    ("auditor", "object"): ("object", ("object_auditor_stats_ALL", "object_auditor_stats_ZBF")),
    ("notifier", "container"): ("container", ("notifier_last_pass",)),
    ("lifecycle", "container"): ("container", ("lifecycle_last_pass",)),
    ("driveaudit", ""): ("drive", ("drive_audit_errors",)),
    ("survey", ""): ("survey", ("survey_policies", "survey_time", "survey_last")),
    ("sharding", ""): ("container", ("sharding_stats", "sharding_time", "sharding_last")),
    ("relinker", ""): ("relinker", ("devices", "workers")),
} | {
    ("auditor", kind): (
        kind,
        tuple(
            f"{kind}_{figure}"
            for figure in ("audits_passed", "auditor_pass_completed", "audits_since", "audits_failed")
        ),
    )
    for kind in ("account", "container")
}
CACHED["replication", ""] = CACHED["replication", "object"]  # How old tools ask for it.


SURVEYED = {
    figure: metrics.told(f"apus_survey_{figure}", description, "policy")
    for figure, description in (
        ("objects", "Objects that the last survey of the cluster has counted."),
        ("objects_below", "Objects of which the last survey found fewer copies than there should be."),
        ("objects_without_copy", "Objects of which the last survey found no copy."),
    )
}
SURVEY_MOMENT = metrics.told(
    "apus_survey_finished_timestamp_seconds", "When the last survey of the cluster was finished."
)
NOTIFIED = {
    figure: metrics.told(f"apus_notifier_{figure}", description, "target")
    for figure, description in (
        ("waiting", "Events that the last pass of the notifiers could not deliver yet."),
        ("in_doubt", "Changes of which the last pass could not tell yet whether they were made."),
        ("oldest_seconds", "Age of the oldest event that the last pass could not deliver."),
    )
}
NOTIFIER_MOMENT = metrics.told(
    "apus_notifier_finished_timestamp_seconds", "When the notifiers' last pass was finished."
)
LIFECYCLE = metrics.told(
    "apus_lifecycle_last_pass", "What the last pass of the lifecycles has done on this node.", "what"
)
LIFECYCLE_MOMENT = metrics.told(
    "apus_lifecycle_finished_timestamp_seconds", "When the lifecycles' last pass was finished on this node."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconConfig:
    """The filter's settings."""

    devices: str = setting("/srv/node", help="Folder under which the devices are mounted.")
    mount_check: bool = setting(
        True,  # noqa: FBT003
        help="Whether a device that is no mount point counts as unmounted.",
    )
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where the node's daemons leave their figures."
    )


class Recon:
    """Answers what lies under /recon/."""

    def __init__(self, config: ReconConfig) -> None:
        self.config = config
        self.devices = Path(config.devices)
        self.live: dict[str, Callable[[], object]] = {
            "mem": memory,
            "load": load,
            "async": self.async_pending,
            "devices": self.device_names,
            "mounted": mounts,
            "unmounted": self.unmounted,
            "diskusage": self.disk_usage,
            "ringmd5": self.ring_checksums,
            "swiftconfmd5": self.conf_checksum,
            "quarantined": self.quarantined,
            "sockstat": sockets,
            "version": our_version,
            "time": time.time,
        }

        for figure, gauge in SURVEYED.items():
            gauge.ask(partial(self._surveyed, figure))
        SURVEY_MOMENT.ask(self._survey_moment)
        for figure, gauge in NOTIFIED.items():
            gauge.ask(partial(self._notified, figure))
        NOTIFIER_MOMENT.ask(self._notifier_moment)
        LIFECYCLE.ask(self._lifecycle)
        LIFECYCLE_MOMENT.ask(self._lifecycle_moment)

    def _surveyed(self, figure: str) -> dict[tuple[str, ...], float]:
        """Return a figure of the survey that was left here last, by policy."""
        policies = recon_cache.look(self.config.recon_cache_path, "survey").get("survey_policies") or {}
        return {(index,): float(found[figure]) for index, found in policies.items()}

    def _survey_moment(self) -> dict[tuple[str, ...], float]:
        last = recon_cache.look(self.config.recon_cache_path, "survey").get("survey_last")
        return {} if last is None else {(): float(last)}

    def _notified(self, figure: str) -> dict[tuple[str, ...], float]:
        """Return a figure of the notifiers that leave theirs here, by target."""
        found: dict[tuple[str, ...], float] = {}
        for each in self._notifiers().values():
            for target, figures in each["targets"].items():
                value, known = float(figures[figure]), found.get((target,), 0.0)
                found[target,] = max(value, known) if figure == "oldest_seconds" else value + known
        return found

    def _notifier_moment(self) -> dict[tuple[str, ...], float]:
        """Return when the notifier that is latest to finish did; of several, the one that lags."""
        moments = [float(each["finished"]) for each in self._notifiers().values()]
        return {(): min(moments)} if moments else {}

    def _lifecycle(self) -> dict[tuple[str, ...], float]:
        """Return the counts of the last pass, by what was counted; a dry run has done nothing."""
        found = self._lifecycles()
        done = {} if found.get("dry_run") else found.get("counts", {})
        return {(what,): float(count) for what, count in done.items()}

    def _lifecycle_moment(self) -> dict[tuple[str, ...], float]:
        finished = self._lifecycles().get("finished")
        return {} if finished is None else {(): float(finished)}

    def _lifecycles(self) -> dict[str, Any]:
        return recon_cache.look(self.config.recon_cache_path, "container").get("lifecycle_last_pass") or {}

    def _notifiers(self) -> dict[str, dict[str, Any]]:
        return recon_cache.look(self.config.recon_cache_path, "container").get("notifier_last_pass") or {}

    def answer(self, environ: Environ) -> Answer:
        """Tell what was asked for."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method not in ("GET", "HEAD"):
            return Answer.text(405, "Recon can only be read.", {"Allow": "GET, HEAD"})
        check, _, kind = path.removeprefix(PREFIX).partition("/")
        cached = CACHED.get((check, kind)) or CACHED.get((check, ""))
        if cached is not None:
            source, names = cached
            content: object = recon_cache.chosen(
                recon_cache.look(self.config.recon_cache_path, source), names
            )
        elif check in self.live:
            try:
                content = self.live[check]()
            except OSError as problem:
                log.warning(
                    "recon cannot be told: check the node", extra={"check": check, "problem": str(problem)}
                )
                return Answer.text(500, "Internal server error.")
        else:
            return Answer.text(404, f"Invalid path: {path}")
        return Answer(200, {"Content-Type": "application/json"}, orjson.dumps(content))

    def async_pending(self) -> dict[str, Any]:
        """Return how many container updates wait: the updater's count, or else what lies there now."""
        figures = recon_cache.look(self.config.recon_cache_path, "object")
        if figures.get("async_pending") is None:
            return {
                "async_pending": sum(map(_updates_waiting, self._folders())),
                "async_pending_last": time.time(),
            }
        return recon_cache.chosen(figures, ("async_pending", "async_pending_last"))

    def device_names(self) -> dict[str, Any]:
        """Return the names in the folder of devices."""
        return {self.config.devices: sorted(entry.name for entry in self._folders())}

    def unmounted(self) -> list[dict[str, Any]]:
        """Return the devices that are not there or fail."""
        return [
            {"device": device.name, "mounted": state} for device, state in self._states() if state is not True
        ]

    def disk_usage(self) -> list[dict[str, Any]]:
        """Return size, used and free bytes of each device."""
        return [_usage(device, state) for device, state in self._states()]

    def quarantined(self) -> dict[str, Any]:
        """Return how much is in quarantine; the links of a folder tell the number of its subfolders."""
        counts: dict[str, Any] = {"objects": 0, "containers": 0, "accounts": 0, "policies": {}}
        for device in self._folders():
            for kind in _subfolders(device / QUARANTINE):
                count = max(0, kind.lstat().st_nlink - 2)
                stem, _, policy = kind.name.partition("-")
                if not count or stem not in counts:
                    continue
                counts[stem] += count
                if stem == "objects":
                    per_policy = counts["policies"].setdefault(policy or "0", {"objects": 0})
                    per_policy["objects"] += count
        return counts

    def ring_checksums(self) -> dict[str, str | None]:
        """Return the MD5 of each ring file."""
        rings = sorted(Path(self.config.swift_dir).glob("*.ring.gz"))
        ours = ("account", "container", "object")
        return {
            str(ring): _md5(ring)
            for ring in rings
            if ring.name.removesuffix(".ring.gz").split("-")[0] in ours
        }

    def conf_checksum(self) -> dict[str, str | None]:
        """Return the MD5 of swift.conf, under its own name and the one that stock tools ask for."""
        path = Path(self.config.swift_dir) / "swift.conf"
        checksum = _md5(path)
        return {STOCK_CONF: checksum, str(path): checksum}

    def _folders(self) -> list[Path]:
        """Return every folder that may be a device; OSError when the folder of devices is gone."""
        return sorted(entry for entry in self.devices.iterdir() if entry.is_dir())

    def _states(self) -> Iterator[tuple[Path, bool | str]]:
        """Yield each device and whether it is mounted, or the error that keeps us from knowing."""
        for device in self._folders():
            try:
                yield device, os.path.ismount(device) if self.config.mount_check else True
            except OSError as problem:
                yield device, str(problem)


def _usage(device: Path, state: bool | str) -> dict[str, Any]:  # noqa: FBT001 - what Swift's JSON has there
    """Return one device's space, empty where it is not mounted."""
    if state is not True:
        return {"device": device.name, "mounted": state, "size": "", "used": "", "avail": ""}
    try:
        disk = os.statvfs(device)
    except OSError as problem:
        return _usage(device, str(problem))
    return {
        "device": device.name,
        "mounted": True,
        "size": disk.f_frsize * disk.f_blocks,
        "used": disk.f_frsize * (disk.f_blocks - disk.f_bavail),
        "avail": disk.f_frsize * disk.f_bavail,
    }


def _updates_waiting(device: Path) -> int:
    """Return the number of files under a device's async_pending folders."""
    queues = (entry for entry in _subfolders(device) if entry.name.partition("-")[0] == "async_pending")
    return sum(len(os.listdir(suffix)) for queue in queues for suffix in _subfolders(queue))


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


def _md5(path: Path) -> str | None:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "md5").hexdigest()
    except OSError:
        return None


def memory() -> dict[str, str]:
    """Return /proc/meminfo."""
    lines = (line.partition(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines}


def load() -> dict[str, Any]:
    """Return /proc/loadavg."""
    one, five, fifteen, tasks, processes = Path("/proc/loadavg").read_text().split()
    return {
        "1m": float(one),
        "5m": float(five),
        "15m": float(fifteen),
        "tasks": tasks,
        "processes": int(processes),
    }


def mounts() -> list[dict[str, str]]:
    """Return /proc/mounts."""
    lines = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [{"device": words[0], "path": words[1]} for words in lines]


def sockets() -> dict[str, int]:
    """Return what the kernel tells of TCP; its memory is in pages there and in bytes here."""
    words = _sockstat("/proc/net/sockstat", "TCP:")
    words6 = _sockstat("/proc/net/sockstat6", "TCP6:")
    told = {
        "tcp_in_use": words.get("inuse"),
        "orphan": words.get("orphan"),
        "time_wait": words.get("tw"),
        "tcp_mem_allocated_bytes": words["mem"] * resource.getpagesize() if "mem" in words else None,
        "tcp6_in_use": words6.get("inuse"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _sockstat(path: str, head: str) -> dict[str, int]:
    """Return the name and number pairs of one line."""
    try:
        lines = Path(path).read_text().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        first, *words = line.split()
        if first == head:
            return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}
    return {}


def our_version() -> dict[str, str]:
    """Return the version of Apus that runs here."""
    return {"version": f"apus {_VERSION}"}


def server_header(kind: str) -> str:
    """Return what a server answers to OPTIONS, by which `--validate-servers` knows its kind."""
    return f"{kind}-server/{_VERSION}"


def _version() -> str:
    try:
        return version("apus")
    except PackageNotFoundError:
        return "unknown"


_VERSION = _version()


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """PasteDeploy's entry: `use = egg:apus#recon`."""
    config = parse(ReconConfig, {**global_conf, **local_conf})
    return lambda app: before(app, PREFIX, Recon(config).answer)
