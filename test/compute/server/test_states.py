"""The life of a server: statuses, what is allowed when, and where tasks lead."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.compute.server.states import (
    PARTIES,
    RULES,
    Locked,
    Power,
    Standing,
    Task,
    VmState,
    WrongState,
    begin,
    finish,
    observed,
    states_of,
    status_of,
)

KNOWN = {
    "ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "PASSWORD", "REBUILD", "MIGRATING", "RESIZE", "VERIFY_RESIZE",
    "REVERT_RESIZE", "PAUSED", "SUSPENDED", "RESCUE", "ERROR", "DELETED", "SOFT_DELETED", "SHELVED",
    "SHELVED_OFFLOADED", "SHUTOFF",
}  # fmt: skip
STANDINGS = st.builds(
    Standing,
    st.sampled_from(VmState),
    st.none() | st.sampled_from(Task),
    st.sampled_from(Power),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("vm", "task", "status"),
    [
        (VmState.BUILDING, Task.SPAWNING, "BUILD"),
        (VmState.ACTIVE, None, "ACTIVE"),
        (VmState.ACTIVE, Task.REBOOTING, "REBOOT"),
        (VmState.ACTIVE, Task.REBOOTING_HARD, "HARD_REBOOT"),
        (VmState.ACTIVE, Task.STOPPING, "ACTIVE"),
        (VmState.STOPPED, Task.STARTING, "SHUTOFF"),
        (VmState.STOPPED, Task.RESIZE_FINISHING, "RESIZE"),
        (VmState.RESIZED, None, "VERIFY_RESIZE"),
        (VmState.RESIZED, Task.RESIZE_REVERTING, "REVERT_RESIZE"),
        (VmState.PAUSED, Task.MIGRATING, "MIGRATING"),
        (VmState.ACTIVE, Task.SNAPSHOT, "ACTIVE"),
        (VmState.ERROR, Task.REBUILDING, "REBUILD"),
    ],
)
def test_clients_poll_the_words_they_know(vm: VmState, task: Task | None, status: str) -> None:
    """The status is the one that OpenStack's clients wait for."""
    assert status_of(vm, task) == status


def test_every_standing_has_a_known_status() -> None:
    """No vm state with any task shows a word that no client knows, and each word finds its states again."""
    for vm, task in itertools.product(VmState, [None, *Task]):
        status = status_of(vm, task)
        assert status in KNOWN
        assert vm in states_of(status)
    assert states_of("NO_SUCH_STATUS") == frozenset()


@given(STANDINGS, st.sampled_from(sorted(RULES)))
def test_an_action_begins_its_task_or_says_why_not(standing: Standing, action: str) -> None:
    """An action is begun only where its rule has it; every refusal names the server."""
    try:
        task = begin(action, standing, server_id="s1")
    except WrongState as problem:
        assert "s1" in str(problem)  # noqa: PT017
        return
    assert task is RULES[action].task
    assert standing.vm in RULES[action].states
    assert not standing.locked or RULES[action].despite_lock


def test_a_refusal_is_in_the_clients_words() -> None:
    """`Cannot 'stop' instance … while it is in vm_state stopped` is what scripts grep for."""
    with pytest.raises(WrongState, match="Cannot 'stop' instance s1 while it is in vm_state stopped"):
        begin("stop", Standing(VmState.STOPPED), server_id="s1")
    with pytest.raises(
        WrongState, match="Cannot 'reboot' instance s1 while it is in task_state powering-off"
    ):
        begin("reboot_soft", Standing(VmState.ACTIVE, Task.STOPPING), server_id="s1")


def test_a_lock_stops_its_owner_but_no_administrator() -> None:
    """Whoever locked by mistake is told; an administrator passes."""
    standing = Standing(VmState.ACTIVE, locked=True)
    with pytest.raises(Locked, match="is locked"):
        begin("stop", standing, server_id="s1")
    assert begin("stop", standing, server_id="s1", is_admin=True) is Task.STOPPING


def test_a_delete_interrupts_whatever_goes_on() -> None:
    """A server that hangs in any task can be deleted; one that is being deleted is not deleted twice."""
    for vm, task in itertools.product(set(VmState) - {VmState.DELETED}, [None, *Task]):
        if task is Task.DELETING:
            continue
        assert begin("delete", Standing(vm, task), server_id="s") is Task.DELETING
    with pytest.raises(WrongState):
        begin("delete", Standing(VmState.ACTIVE, Task.DELETING), server_id="s")


@given(STANDINGS, st.sampled_from(Task), st.booleans())
def test_a_task_that_ended_leads_to_rest_in_a_few_steps(standing: Standing, task: Task, failed: bool) -> None:
    """Following each task's end leads to a standing without a task: nothing goes round in circles."""
    step: Task | None = task
    for _ in range(5):
        if step is None:
            break
        standing = finish(step, standing, failed=failed)
        step = standing.task
    assert step is None


@pytest.mark.parametrize("task", [Task.SNAPSHOT, Task.SNAPSHOT_UPLOADING, Task.BACKUP, Task.MIGRATING])
def test_a_failed_snapshot_leaves_the_machine_alone(task: Task) -> None:
    """What was only to be copied is not in error because the copy failed."""
    assert finish(task, Standing(VmState.ACTIVE, task, Power.RUNNING), failed=True).vm is VmState.ACTIVE
    assert finish(Task.SPAWNING, Standing(VmState.BUILDING, Task.SPAWNING), failed=True).vm is VmState.ERROR


def test_every_task_has_someone_who_undertakes_it() -> None:
    """A task that nobody undertakes would stand for ever."""
    assert set(PARTIES) == set(Task)


def test_a_guest_that_shut_itself_down_is_stopped() -> None:
    """What the host sees unasked changes the state; while a task stands it does not."""
    running = Standing(VmState.ACTIVE, None, Power.RUNNING)
    assert observed(running, Power.SHUTDOWN).vm is VmState.STOPPED
    assert observed(running, Power.PAUSED).vm is VmState.PAUSED
    busy = Standing(VmState.ACTIVE, Task.REBOOTING, Power.RUNNING)
    assert observed(busy, Power.SHUTDOWN) == busy
