"""Object lock at work, behind both doors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.authorization import RULING
from apus.proxy.middleware.s3.configuration import documents, judging, locking, locks
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
        kept = {name: value for name, value in locks.kept(lock).items() if value}
        locking.require_unlocked(asked, "k", kept)
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


@pytest.mark.parametrize(
    ("actions", "may"),
    [
        (["s3:DeleteObjectVersion", "s3:ListBucket"], False),
        (["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], True),
        ("s3:*", True),
    ],
)
def test_governance_is_bypassed_by_a_right_of_its_own(actions: Any, may: bool) -> None:
    """Who may delete versions, and see the bucket, may not for that."""
    store = world()
    resources = ["arn:aws:s3:::c", "arn:aws:s3:::c/*"]
    said = {"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resources}
    text = json.dumps({"Version": "2012-10-17", "Statement": [said]})
    assert ask(store, "POST", "/v1/a/c", headers=documents.packed("policy", text, {})).status == 204
    asked = request(store, "POST", "c", None, {"delete": ""}, headers={locking.BYPASS: "true"})
    asked.environ["apus.authorize"] = lambda _: Answer(403)
    asked.environ[RULING] = judging.Judge(store)
    judging.introduce(asked, "delete")
    if may:
        assert locking.bypasses(asked, "k")
    else:
        with pytest.raises(S3Error) as caught:
            locking.bypasses(asked, "k")
        assert caught.value.code == "AccessDenied"
    assert ("c", "k") in store.objects


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
