"""The life of a server: which states there are, which action is allowed in which, and where it leads.

    (vm state, task) ──▶ status_of() ──▶ the word that clients poll
    action ──▶ begin(action, standing) ──▶ the task to record, or WrongState (409)
    task, how it ended ──▶ finish(task, standing) ──▶ the vm state, and the power state, that follow

The words, and what is allowed when, are those of OpenStack Compute (its API guide and `openstack server`
depend on them). Nothing here knows a catalogue, a host or a clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...common.errors import ApusError


class VmState(enum.StrEnum):
    """What a server is while nobody does anything to it."""

    ACTIVE = "active"
    BUILDING = "building"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    RESCUED = "rescued"
    RESIZED = "resized"
    SOFT_DELETED = "soft-delete"
    DELETED = "deleted"
    ERROR = "error"
    SHELVED = "shelved"
    OFFLOADED = "shelved_offloaded"


class Task(enum.StrEnum):
    """What is being done to a server; each is undertaken by one party until it is finished."""

    SCHEDULING = "scheduling"
    NETWORKING = "networking"
    BLOCK_DEVICES = "block_device_mapping"
    SPAWNING = "spawning"
    STARTING = "powering-on"
    STOPPING = "powering-off"
    REBOOTING = "rebooting"
    REBOOTING_HARD = "rebooting_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    SHELVING = "shelving"
    OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    REBUILDING = "rebuilding"
    REBUILD_SPAWNING = "rebuild_spawning"
    RESIZE_PREPARING = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_FINISHING = "resize_finish"
    RESIZE_CONFIRMING = "resize_confirming"
    RESIZE_REVERTING = "resize_reverting"
    MIGRATING = "migrating"
    SNAPSHOT = "image_snapshot"
    SNAPSHOT_UPLOADING = "image_uploading"
    BACKUP = "image_backup"
    PASSWORD = "updating_password"  # noqa: S105 - the word that clients see
    DELETING = "deleting"


class Power(enum.IntEnum):
    """What the hypervisor says of the machine."""

    NONE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class Party(enum.Enum):
    """Who undertakes a task."""

    SERVICE = "service"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a server stands."""

    vm: VmState
    task: Task | None = None
    power: Power = Power.NONE
    locked: bool = False


class WrongState(ApusError):
    """The action is not allowed now; the client may come again when the server stands differently."""


class Locked(WrongState):
    """The server is locked by its owner or by an administrator."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When an action is allowed and which task it begins (None: done at once, nothing to undertake)."""

    states: frozenset[VmState]
    task: Task | None
    during: frozenset[Task] = frozenset()  # tasks that it may interrupt
    despite_lock: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """What a task leaves behind when it went well; None keeps what there was."""

    vm: VmState | None
    power: Power | None = None


_V = VmState
_ALIVE = frozenset(VmState) - {_V.DELETED}
_SETTLED = frozenset({_V.ACTIVE, _V.STOPPED})
_PICTURABLE = frozenset({_V.ACTIVE, _V.STOPPED, _V.PAUSED, _V.SUSPENDED})
_REBOOTS = frozenset({Task.REBOOTING, Task.REBOOTING_HARD})
_WITH_DEVICES = frozenset(
    {_V.ACTIVE, _V.PAUSED, _V.STOPPED, _V.RESIZED, _V.SOFT_DELETED, _V.SHELVED, _V.OFFLOADED}
)

RULES: dict[str, Rule] = {
    "start": Rule(frozenset({_V.STOPPED}), Task.STARTING),
    "stop": Rule(frozenset({_V.ACTIVE, _V.ERROR}), Task.STOPPING),
    "reboot_soft": Rule(frozenset({_V.ACTIVE}), Task.REBOOTING),
    "reboot_hard": Rule(
        frozenset({_V.ACTIVE, _V.STOPPED, _V.PAUSED, _V.SUSPENDED, _V.ERROR}), Task.REBOOTING_HARD, _REBOOTS
    ),
    "pause": Rule(frozenset({_V.ACTIVE}), Task.PAUSING),
    "unpause": Rule(frozenset({_V.PAUSED}), Task.UNPAUSING),
    "suspend": Rule(frozenset({_V.ACTIVE}), Task.SUSPENDING),
    "resume": Rule(frozenset({_V.SUSPENDED}), Task.RESUMING),
    "shelve": Rule(_PICTURABLE, Task.SHELVING),
    "shelveOffload": Rule(frozenset({_V.SHELVED}), Task.OFFLOADING),
    "unshelve": Rule(frozenset({_V.SHELVED, _V.OFFLOADED}), Task.UNSHELVING),
    "rescue": Rule(frozenset({_V.ACTIVE, _V.STOPPED, _V.ERROR}), Task.RESCUING),
    "unrescue": Rule(frozenset({_V.RESCUED}), Task.UNRESCUING),
    "rebuild": Rule(frozenset({_V.ACTIVE, _V.STOPPED, _V.ERROR}), Task.REBUILDING),
    "evacuate": Rule(frozenset({_V.ACTIVE, _V.STOPPED, _V.ERROR}), Task.REBUILDING),
    "resize": Rule(_SETTLED, Task.RESIZE_PREPARING),
    "migrate": Rule(_SETTLED, Task.RESIZE_PREPARING),
    "confirmResize": Rule(frozenset({_V.RESIZED}), Task.RESIZE_CONFIRMING),
    "revertResize": Rule(frozenset({_V.RESIZED}), Task.RESIZE_REVERTING),
    "os-migrateLive": Rule(frozenset({_V.ACTIVE, _V.PAUSED}), Task.MIGRATING),
    "createImage": Rule(_PICTURABLE, Task.SNAPSHOT, despite_lock=True),
    "createBackup": Rule(_PICTURABLE, Task.BACKUP),
    "changePassword": Rule(frozenset({_V.ACTIVE}), Task.PASSWORD),
    "trigger_crash_dump": Rule(frozenset({_V.ACTIVE, _V.PAUSED, _V.RESCUED, _V.RESIZED, _V.ERROR}), None),
    "attach_volume": Rule(_WITH_DEVICES, None),
    "detach_volume": Rule(_WITH_DEVICES | {_V.SUSPENDED}, None),
    "attach_interface": Rule(frozenset({_V.ACTIVE, _V.PAUSED, _V.STOPPED}), None),
    "detach_interface": Rule(frozenset({_V.ACTIVE, _V.PAUSED, _V.STOPPED}), None),
    "metadata": Rule(frozenset({_V.ACTIVE, _V.PAUSED, _V.SUSPENDED, _V.STOPPED}), None, frozenset(Task)),
    "delete": Rule(_ALIVE, Task.DELETING, frozenset(Task) - {Task.DELETING}),
    "restore": Rule(frozenset({_V.SOFT_DELETED}), None),
}

# Who undertakes a task while it stands: the service itself, or the agent of the host that the server is on.
PARTIES: dict[Task, Party] = {
    **dict.fromkeys(Task, Party.HOST),
    **dict.fromkeys(
        (Task.SCHEDULING, Task.NETWORKING, Task.BLOCK_DEVICES, Task.REBUILDING, Task.RESIZE_PREPARING),
        Party.SERVICE,
    ),
    Task.UNSHELVING: Party.SERVICE,
}

_ENDINGS: dict[Task, Ending] = {
    Task.SPAWNING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.STARTING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.STOPPING: Ending(_V.STOPPED, Power.SHUTDOWN),
    Task.REBOOTING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.REBOOTING_HARD: Ending(_V.ACTIVE, Power.RUNNING),
    Task.PAUSING: Ending(_V.PAUSED, Power.PAUSED),
    Task.UNPAUSING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.SUSPENDING: Ending(_V.SUSPENDED, Power.SHUTDOWN),
    Task.RESUMING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.SHELVING: Ending(_V.SHELVED, Power.SHUTDOWN),
    Task.OFFLOADING: Ending(_V.OFFLOADED, Power.SHUTDOWN),
    Task.RESCUING: Ending(_V.RESCUED, Power.RUNNING),
    Task.UNRESCUING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.REBUILD_SPAWNING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.RESIZE_FINISHING: Ending(_V.RESIZED, Power.RUNNING),
    Task.RESIZE_CONFIRMING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.RESIZE_REVERTING: Ending(_V.ACTIVE, Power.RUNNING),
    Task.DELETING: Ending(_V.DELETED, Power.NONE),
}

# A host's task that is followed by another one; what remains are ends.
FOLLOWERS: dict[Task, Task] = {
    Task.RESIZE_MIGRATING: Task.RESIZE_FINISHING,
    Task.SNAPSHOT: Task.SNAPSHOT_UPLOADING,
    Task.BACKUP: Task.SNAPSHOT_UPLOADING,
}

# What a failure here leaves as it was: the machine is untouched, only the task was in vain.
_HARMLESS = frozenset(
    {
        *(Task.SNAPSHOT, Task.SNAPSHOT_UPLOADING, Task.BACKUP, Task.PASSWORD),
        *(Task.MIGRATING, Task.PAUSING, Task.UNPAUSING, Task.RESIZE_PREPARING, Task.STARTING),
        *(Task.STOPPING, Task.REBOOTING, Task.SHELVING, Task.OFFLOADING, Task.SUSPENDING),
    }
)

_STATUSES: dict[VmState, str] = {
    _V.ACTIVE: "ACTIVE",
    _V.BUILDING: "BUILD",
    _V.PAUSED: "PAUSED",
    _V.SUSPENDED: "SUSPENDED",
    _V.STOPPED: "SHUTOFF",
    _V.RESCUED: "RESCUE",
    _V.RESIZED: "VERIFY_RESIZE",
    _V.SOFT_DELETED: "SOFT_DELETED",
    _V.DELETED: "DELETED",
    _V.ERROR: "ERROR",
    _V.SHELVED: "SHELVED",
    _V.OFFLOADED: "SHELVED_OFFLOADED",
}
_REBUILD = dict.fromkeys((Task.REBUILDING, Task.REBUILD_SPAWNING), "REBUILD")
_RESIZE = dict.fromkeys((Task.RESIZE_PREPARING, Task.RESIZE_MIGRATING, Task.RESIZE_FINISHING), "RESIZE")
_BUSY: dict[VmState, dict[Task, str]] = {
    _V.ACTIVE: {
        **_REBUILD,
        **_RESIZE,
        Task.REBOOTING: "REBOOT",
        Task.REBOOTING_HARD: "HARD_REBOOT",
        Task.PASSWORD: "PASSWORD",
        Task.MIGRATING: "MIGRATING",
    },
    _V.STOPPED: {**_REBUILD, **_RESIZE, Task.REBOOTING_HARD: "HARD_REBOOT"},
    _V.PAUSED: {Task.MIGRATING: "MIGRATING", Task.REBOOTING_HARD: "HARD_REBOOT"},
    _V.SUSPENDED: {Task.REBOOTING_HARD: "HARD_REBOOT"},
    _V.ERROR: {**_REBUILD, Task.REBOOTING_HARD: "HARD_REBOOT"},
    _V.RESIZED: {Task.RESIZE_REVERTING: "REVERT_RESIZE"},
}


def status_of(vm: VmState, task: Task | None) -> str:
    """Return the `status` that clients see and poll."""
    if task is not None and task in _BUSY.get(vm, {}):
        return _BUSY[vm][task]
    return _STATUSES[vm]


def states_of(status: str) -> frozenset[VmState]:
    """Return the vm states in which a server may show this status; empty for an unknown word."""
    word = status.upper()
    return frozenset(vm for vm in VmState if _STATUSES[vm] == word or word in _BUSY.get(vm, {}).values())


def begin(action: str, standing: Standing, *, server_id: str, is_admin: bool = False) -> Task | None:
    """Return the task that the action begins, None when nothing is to be undertaken.

    Raises:
        Locked: for whoever may not pass the lock.
        WrongState: in the words that clients of OpenStack Compute know.
    """
    rule = RULES[action]
    if standing.locked and not is_admin and not rule.despite_lock:
        raise Locked(f"Instance {server_id} is locked")
    shown = action.removesuffix("_soft").removesuffix("_hard") if action.startswith("reboot") else action
    if standing.vm not in rule.states:
        raise WrongState(f"Cannot '{shown}' instance {server_id} while it is in vm_state {standing.vm}")
    if standing.task is not None and standing.task not in rule.during:
        raise WrongState(f"Cannot '{shown}' instance {server_id} while it is in task_state {standing.task}")
    return rule.task


def finish(task: Task, standing: Standing, *, failed: bool = False) -> Standing:
    """Return where the server stands once the task has ended, well or not.

    A snapshot of a machine that fails leaves the machine alone; a machine that cannot be built is in error.
    """
    if failed:
        vm = standing.vm if task in _HARMLESS else VmState.ERROR
        return Standing(vm, None, standing.power, standing.locked)
    follower = FOLLOWERS.get(task)
    if follower is not None:
        return Standing(standing.vm, follower, standing.power, standing.locked)
    ending = _ENDINGS.get(task, Ending(None))
    vm = standing.vm if ending.vm is None else ending.vm
    power = standing.power if ending.power is None else ending.power
    return Standing(vm, None, power, standing.locked)


def observed(standing: Standing, power: Power) -> Standing:
    """Return where a server stands after its host has seen the machine in this power state unasked.

    A guest that shut itself down is a stopped server; one that was started by hand is left to its owner's
    word:
    the host stops it again. While a task stands, its ending says what is true, not a passing look.
    """
    if standing.task is not None:
        return standing
    vm = standing.vm
    if vm in (VmState.ACTIVE, VmState.PAUSED, VmState.RESCUED) and power in (Power.SHUTDOWN, Power.CRASHED):
        vm = VmState.STOPPED
    elif vm is VmState.ACTIVE and power is Power.PAUSED:
        vm = VmState.PAUSED
    elif vm is VmState.PAUSED and power is Power.RUNNING:
        vm = VmState.ACTIVE
    return Standing(vm, None, power, standing.locked)
