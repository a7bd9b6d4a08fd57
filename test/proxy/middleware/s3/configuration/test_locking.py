"""Object lock at work, behind both doors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.proxy.middleware.s3.configuration import documents, locking, locks
from apus.proxy.middleware.s3.errors import S3Error

RULE = "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"


def world(*, rule: str = "", is_held: bool = False) -> KeepingStore:
    """A store with a bucket c that has locks and one d that has none, and a k in each."""
    store = KeepingStore()
    text = f"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>"
    for name in ("c", "d", "c+segments"):
        headers = documents.packed("object-lock", text, {}) if name == "c" else {}
        assert ask(store, "PUT", f"/v1/a/{name}", headers=headers).status == 201
        held = {name: value for name, value in locks.kept(locks.Lock(is_held=is_held)).items() if value}
        reply = ask(store, "PUT", f"/v1/a/{name}/k", headers=held, environ={"CONTENT_LENGTH": "0"})
        assert reply.status == 201
    return store


def taken(store: KeepingStore, bucket: str, word: str = "", **headers: str) -> dict[str, str]:
    """Return the lock that an upload gets."""
    said = {f"x-amz-object-lock-{name.replace('_', '-')}": value for name, value in headers.items()}
    asked = request(store, "POST" if word == "uploads" else "PUT", bucket, "k", {word: ""}, headers=said)
    locking.take_upload(asked, word)
    start = "HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_LOCK_"
    return {key[len(start) :]: value for key, value in asked.environ.items() if key.startswith(start)}


def test_uploads_get_what_they_ask_for_or_the_default() -> None:
    """Parts get nothing, as the upload has it already."""
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    store = world(rule=RULE)
    assert taken(store, "c", mode="COMPLIANCE", retain_until_date=until)["MODE"] == "COMPLIANCE"
    assert taken(store, "c")["MODE"] == "GOVERNANCE"
    assert taken(store, "c", "uploads")["MODE"] == "GOVERNANCE"
    assert taken(store, "c", legal_hold="ON").keys() == {"MODE", "UNTIL", "HOLD"}
    assert not taken(store, "c", "uploadId")
    assert not taken(world(), "c")
    assert not taken(store, "d")
    with pytest.raises(S3Error) as caught:
        taken(store, "d", legal_hold="ON")
    assert caught.value.code == "InvalidRequest"


def deletes(lock: locks.Lock, *, says: bool, is_owner: bool) -> bool:
    """Tell whether a version can be deleted."""
    headers = {locking.BYPASS: "true"} if says else {}
    asked = request(world(), "DELETE", "c", "k", {"versionId": "1"}, headers=headers)
    if is_owner:
        asked.environ["apus.authorize"] = lambda environ: environ.update({"apus.owner": True})
    try:
        locking.require_unlocked(asked, {name: value for name, value in locks.kept(lock).items() if value})
    except S3Error as refusal:
        return refusal.code != "AccessDenied"
    return True


def test_who_may_delete_a_version() -> None:
    """Governance gives way to the owner who says so, and to nothing less."""
    until = datetime.now(UTC) + timedelta(days=1)
    governed, complied = (locks.Lock(mode, until) for mode in locks.MODES)
    assert deletes(governed, says=True, is_owner=True)
    assert not deletes(governed, says=False, is_owner=True)
    assert not deletes(governed, says=True, is_owner=False)
    assert not deletes(complied, says=True, is_owner=True)
    assert not deletes(locks.Lock(is_held=True), says=True, is_owner=True)
    assert deletes(locks.Lock(), says=False, is_owner=False)
    assert deletes(locks.Lock(locks.COMPLIANCE, until - timedelta(days=2)), says=False, is_owner=False)


def test_a_new_bucket_with_locks() -> None:
    """It has versions from the beginning."""
    asked = request(world(), "PUT", "n", headers={"x-amz-bucket-object-lock-enabled": "True"})
    said = locking.of_new_bucket(asked)
    assert said["X-Versions-Enabled"] == "true"
    assert not locking.of_new_bucket(request(world(), "PUT", "n"))


def test_locks_need_versions() -> None:
    """InvalidBucketState where there are none."""
    body = (
        b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
    )
    asked = request(world(), "PUT", "d", None, {"object-lock": ""}, body=body)
    asked.environ["apus.authorize"] = lambda environ: environ.update({"apus.owner": True})
    with pytest.raises(S3Error) as caught:
        locking.put_configuration(asked)
    assert caught.value.code == "InvalidBucketState"
