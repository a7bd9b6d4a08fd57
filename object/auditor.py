"""Reads every object again and again, so that bits that rot are found while other copies are good.

    devices ──▶ hash folders, one by one ──▶ ALL: metadata, name, length, every block
                                         └─▶ ZBF: the same without reading bodies, faster
    damaged ──▶ quarantine; old tombstone ──▶ its suffix is rehashed; figures ──▶ recon

Both modes run side by side, each at its own pace. Where a pass was is kept on the device, so that a restart
goes on from there. Nothing is deleted but rsync's forgotten temporary files, and what registers may forget.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.concurrency import sleep, spawn
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.errors import Corrupt, Refused, Unavailable
from ..common.timestamp import Timestamp
from .files import metadata, names
from .files.body import Body, Source, read_cached
from .files.device import Devices, Reserve
from .files.invalidation import invalidate
from .files.store import Absent, FileStore, Location, StoredObject, quarantined
from .register.tidying import tidy
from .settings import RECLAIM_AGE_SECONDS

log = logging.getLogger(__name__)

ALL, ZBF = "ALL", "ZBF"
STATUS_SECONDS = 60.0
_BURST_SECONDS = 1.0
STAGED_SECONDS_MAX = 2 * 86400.0
"""Twice the longest upload: a body that waits longer for its decision was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAuditorSettings:
    """How one node's objects are audited."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf.")
    interval: float = setting(30.0, help="Seconds from the start of one pass to the next.", minimum=0)
    files_per_second: float = setting(20.0, help="Objects read a second; 0 for no limit.", minimum=0)
    bytes_per_second: float = setting(10_000_000.0, help="Bytes read a second; 0 for no limit.", minimum=0)
    zero_byte_files_per_second: float = setting(
        50.0,
        help="Objects whose metadata is checked a second in the fast mode; 0 to do without it.",
        minimum=0,
    )
    rsync_tempfile_timeout: float = setting(
        86400.0, help="Seconds after which rsync's temporary files are removed.", minimum=0
    )
    reclaim_age: float = setting(
        RECLAIM_AGE_SECONDS, help="Seconds after which a tombstone may be forgotten.", minimum=0
    )
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )


@dataclass(slots=True)
class Tally:
    """What a pass has done."""

    passes: int = 0
    quarantined: int = 0
    errors: int = 0
    bytes_processed: int = 0


class Pace:
    """Holds a worker to so many units a second."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._due = time.monotonic()

    def wait(self, units: float = 1) -> None:
        """Rest until these units are due; a worker that was slow may catch up a little."""
        if self._per_second > 0:
            now = time.monotonic()
            self._due = max(self._due, now - _BURST_SECONDS) + units / self._per_second
            if self._due > now:
                sleep(self._due - now)


class ObjectAuditor(Daemon):
    """Audits the objects of one node."""

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        settings = self.settings = parse(ObjectAuditorSettings, options)
        self.interval_seconds = settings.interval
        self._cluster = cluster or ClusterConf.load(settings.swift_dir)
        self._devices = Devices(settings.devices, mount_check=settings.mount_check)
        self._store = FileStore(Reserve(0, is_percentage=False))

    def run_once(self) -> None:
        """Look at every object once in each mode."""
        modes = [ALL] + [ZBF] * bool(self.settings.zero_byte_files_per_second)
        for task in [spawn(self.audit_all, mode) for mode in modes]:
            task.wait()

    def audit_all(self, mode: str) -> Tally:
        """Make one pass in one mode."""
        begun, tally = time.time(), Tally()
        settings = self.settings
        files = Pace(settings.files_per_second if mode == ALL else settings.zero_byte_files_per_second)
        read = Pace(settings.bytes_per_second)
        device_names = self._devices.names()
        random.shuffle(device_names)
        for device in device_names:
            if mode == ALL:
                self._tidy_registers(f"{self._devices.root}/{device}")
            for policy in self._cluster.policies.all:
                datadir = f"{self._devices.root}/{device}/{policy.data_directory}"
                for hash_directory in hash_directories(datadir, mode):
                    self._audit_safely(hash_directory, mode, tally, read)
                    files.wait()
        self._report(mode, tally, begun)
        return tally

    def _tidy_registers(self, device_path: str) -> None:
        """Forget what no conditional write needs any more."""
        settings = self.settings
        try:
            tidy(
                device_path,
                now=time.time(),
                staged_seconds_max=STAGED_SECONDS_MAX,
                reclaim_seconds=settings.reclaim_age,
            )
        except (Unavailable, OSError) as problem:
            log.error("registers not tidied", extra={"path": device_path, "problem": str(problem)})

    def _audit_safely(self, hash_directory: str, mode: str, tally: Tally, read: Pace) -> None:
        tally.passes += 1
        try:
            self._audit(hash_directory, mode, tally, read)
        except Absent as absent:
            tally.quarantined += str(absent).startswith("quarantined")
            if absent.timestamp is not None and mode == ALL:
                self._revisit_tombstone(hash_directory, absent.timestamp)
        except (Refused, Unavailable, OSError) as problem:
            tally.errors += 1
            log.error("object not audited", extra={"path": hash_directory, "problem": str(problem)})
        if mode == ALL:
            self._remove_rsync_leftovers(hash_directory)

    def _audit(self, hash_directory: str, mode: str, tally: Tally, read: Pace) -> None:
        stored = self._store.open(Location("", hash_directory, "", ""), now=lambda: None)
        try:
            self._check_name(stored, hash_directory)
            metadata.add_missing_checksum(stored.path)
            if mode == ZBF or not stored.length:
                return
            self._read(stored, tally, read)
        except Corrupt as problem:
            raise quarantined(hash_directory, str(problem)) from problem
        finally:
            stored.close()

    def _check_name(self, stored: StoredObject, hash_directory: str) -> None:
        account, _, rest = stored.metadata["name"].lstrip("/").partition("/")
        container, _, obj = rest.partition("/")
        if self._cluster.salt.path_hash(account, container, obj) != os.path.basename(hash_directory):
            raise Corrupt("the name in the metadata belongs into another folder")

    def _read(self, stored: StoredObject, tally: Tally, read: Pace) -> None:
        length, path = stored.length, stored.path
        # The disk's bytes, not memory's; they shall not crowd out what clients read, nor take it from them:
        # a small GET that must wait for the disk costs three times as much.
        was_cached = read_cached(stored.descriptor, bytearray(1), 0) > 0
        os.posix_fadvise(stored.descriptor, 0, length, os.POSIX_FADV_DONTNEED)
        count = 0
        source = Source.of(stored)
        for piece in Body(source, 0, length):
            if not was_cached:
                os.posix_fadvise(source.descriptor, count, len(piece), os.POSIX_FADV_DONTNEED)
            count += len(piece)
            tally.bytes_processed += len(piece)
            read.wait(len(piece))
        if count < length or not os.path.exists(path):
            if os.path.exists(os.path.dirname(path)):
                return  # A newer object took its place while we read.
            raise Absent("quarantined while it was read")

    def _revisit_tombstone(self, hash_directory: str, moment: Timestamp) -> None:
        """Have the replicator look at an old tombstone, that it may go."""
        if time.time() - float(moment) > self.settings.reclaim_age:
            invalidate(os.path.dirname(hash_directory))

    def _remove_rsync_leftovers(self, hash_directory: str) -> None:
        oldest = time.time() - self.settings.rsync_tempfile_timeout
        try:
            for name in os.listdir(hash_directory):
                path = f"{hash_directory}/{name}"
                if names.is_rsync_temporary(name) and os.stat(path).st_mtime < oldest:
                    os.unlink(path)
        except OSError:
            return

    def _report(self, mode: str, tally: Tally, begun: float) -> None:
        figures = {
            "errors": tally.errors,
            "passes": tally.passes,
            "quarantined": tally.quarantined,
            "bytes_processed": tally.bytes_processed,
            "start_time": begun,
            "audit_time": time.time() - begun,
        }
        log.info("objects audited", extra={"mode": mode, **figures})
        try:
            recon_cache.leave(
                self.settings.recon_cache_path, "object", {f"object_auditor_stats_{mode}": figures}
            )
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})


def hash_directories(datadir: str, mode: str) -> Iterator[str]:
    """Yield the objects' folders of one policy on one device, going on where the last pass stopped."""
    status = f"{datadir}/auditor_status_{mode}.json"
    partitions = _remaining(status, datadir)
    written = 0.0
    for index, partition in enumerate(partitions):
        if time.monotonic() - written > STATUS_SECONDS:
            written = time.monotonic()
            _remember(status, partitions[index:])
        for suffix in _listed(f"{datadir}/{partition}"):
            for name in _listed(f"{datadir}/{partition}/{suffix}"):
                yield f"{datadir}/{partition}/{suffix}/{name}"
    if os.path.isdir(datadir):
        try:
            os.unlink(status)
        except FileNotFoundError:
            return


def _remaining(status: str, datadir: str) -> list[str]:
    try:
        with open(status, "rb") as handle:
            partitions = orjson.loads(handle.read())["partitions"]
        if partitions and all(isinstance(name, str) for name in partitions):
            return list(partitions)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = [name for name in _listed(datadir) if name.isdigit()]
    random.shuffle(found)
    return found


def _remember(status: str, partitions: list[str]) -> None:
    try:
        with open(status, "wb") as handle:
            handle.write(orjson.dumps({"partitions": partitions}))
    except OSError as problem:
        log.warning("audit position not kept", extra={"path": status, "problem": str(problem)})


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
