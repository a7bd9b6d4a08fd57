"""Access keys: whose they are, what services learn of them, and when they end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from keystone_world import Realm, project

from apus.common.identity.claims import identity_in
from apus.compute.identity.s3_signature import holds
from apus.compute.identity.tables import metadata


def made(realm: Realm, token: str, user: str, place: str) -> dict[str, str]:
    reply = realm.call("POST", f"/v3/users/{user}/credentials/OS-EC2", {"tenant_id": place}, token=token)
    assert reply.status == 201, reply.body
    found: dict[str, str] = reply.json()["credential"]
    return found


def whoami(realm: Realm, token: str) -> tuple[str, str]:
    told = realm.call("GET", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token}).json()[
        "token"
    ]
    return told["user"]["id"], told["project"]["id"]


def test_a_user_keeps_access_keys(realm: Realm) -> None:
    """Made, listed, shown and removed by the user; nobody else sees the secret, but administrators."""
    demo = realm.log_in("demo", project("demo"))
    user, place = whoami(realm, demo)
    key = made(realm, demo, user, place)
    path = f"/v3/users/{user}/credentials/OS-EC2"
    assert realm.call("GET", path, token=demo).json()["credentials"][0]["access"] == key["access"]
    assert (
        realm.call("GET", f"{path}/{key['access']}", token=demo).json()["credential"]["secret"]
        == key["secret"]
    )
    stranger = realm.make("user", realm.admin, password="x")
    other = realm.log_in(stranger["name"], "unscoped")
    service = realm.log_in("cloud", project("service"))
    for token in (other, service):
        assert realm.call("GET", f"{path}/{key['access']}", token=token).status == 403
    assert realm.call("DELETE", f"{path}/{key['access']}", token=demo).status == 204
    assert realm.call("GET", f"{path}/{key['access']}", token=demo).status == 404


def test_a_service_learns_the_secret(realm: Realm) -> None:
    """With whom it speaks for, and with which roles; nobody else does."""
    demo, service = realm.log_in("demo", project("demo")), realm.log_in("cloud", project("service"))
    user, place = whoami(realm, demo)
    key = made(realm, demo, user, place)
    path = f"/v3/apus/access_keys/{key['access']}"
    assert realm.call("GET", path, token=demo).status == 403
    told = realm.call("GET", path, token=service).json()["access_key"]
    assert told["secret"] == key["secret"]
    who = identity_in(told["identity"])
    assert (who.user_id, who.project_id) == (user, place)
    assert "swiftoperator" in who.roles
    assert realm.call("GET", path + "0", token=service).status == 404
    realm.call("DELETE", f"/v3/users/{user}/credentials/OS-EC2/{key['access']}", token=demo)
    assert realm.call("GET", path, token=service).status == 404
    assert realm.world.publisher.current().revocations.reject(who)


def test_a_key_is_for_a_project_of_its_user(realm: Realm) -> None:
    """Nobody makes a key for a project on which the user has no role, nor for somebody else."""
    demo, admin = realm.log_in("demo", project("demo")), realm.admin
    user, place = whoami(realm, demo)
    other = realm.make("project", admin)
    many = f"/v3/users/{user}/credentials/OS-EC2"
    assert realm.call("POST", many, {"tenant_id": other["id"]}, token=demo).status == 401
    assert realm.call("POST", many, {"tenant_id": other["id"]}, token=admin).status == 401
    admins, _ = whoami(realm, admin)
    stolen = {"tenant_id": place}
    assert realm.call("POST", f"/v3/users/{admins}/credentials/OS-EC2", stolen, token=demo).status == 403


def test_credentials_of_other_types(realm: Realm) -> None:
    """/v3/credentials keeps any blob; its owner cannot be changed, nor an access key's access."""
    demo = realm.log_in("demo", project("demo"))
    user, place = whoami(realm, demo)
    blob = {"credential": {"type": "cert", "blob": "text", "user_id": user}}
    reply = realm.call("POST", "/v3/credentials", blob, token=demo)
    assert reply.status == 201
    one = f"/v3/credentials/{reply.json()['credential']['id']}"
    assert realm.call("GET", one, token=demo).json()["credential"]["blob"] == "text"
    fresh = {"credential": {"blob": "other"}}
    assert realm.call("PATCH", one, fresh, token=demo).json()["credential"]["blob"] == "other"
    admins, _ = whoami(realm, realm.admin)
    assert realm.call("PATCH", one, {"credential": {"user_id": admins}}, token=demo).status == 403
    assert (
        realm.call(
            "POST",
            "/v3/credentials",
            {"credential": {"type": "cert", "blob": "x", "user_id": admins}},
            token=demo,
        ).status
        == 403
    )
    pair = '{"access": "mine", "secret": "s"}'
    ec2 = {"credential": {"type": "ec2", "blob": pair, "user_id": user, "project_id": place}}
    assert realm.call("POST", "/v3/credentials", ec2, token=demo).status == 201
    assert realm.call("POST", "/v3/credentials", ec2, token=demo).status == 409
    path = f"/v3/users/{user}/credentials/OS-EC2/mine"
    assert realm.call("GET", path, token=demo).json()["credential"]["secret"] == "s"
    listed = realm.call("GET", "/v3/credentials?type=cert", token=demo).json()["credentials"]
    assert [each["type"] for each in listed] == ["cert"]
    assert realm.call("DELETE", one, token=demo).status == 204


def test_secrets_are_stored_encrypted(realm: Realm) -> None:
    """The database alone signs nothing."""
    demo = realm.log_in("demo", project("demo"))
    key = made(realm, demo, *whoami(realm, demo))
    with realm.world.read() as connection:
        dump = str([connection.execute(table.select()).all() for table in metadata.sorted_tables])
    assert key["access"] in dump or hashlib.sha256(key["access"].encode()).hexdigest() in dump
    assert key["secret"] not in dump


def test_a_signature_is_checked_for_services_only(realm: Realm) -> None:
    """POST /v3/s3tokens tells a service whose signature it is, and strangers nothing."""
    demo, service = realm.log_in("demo", project("demo")), realm.log_in("cloud", project("service"))
    user, place = whoami(realm, demo)
    key = made(realm, demo, user, place)
    text = b"GET\n\n\nSat, 21 Nov 2026 00:00:00 GMT\n/bucket"
    right = base64.b64encode(hmac.digest(key["secret"].encode(), text, "sha1")).decode()
    document = {
        "credentials": {
            "access": key["access"],
            "token": base64.urlsafe_b64encode(text).decode(),
            "signature": right,
        }
    }
    assert realm.call("POST", "/v3/s3tokens", document).status == 401
    assert realm.call("POST", "/v3/s3tokens", document, token=demo).status == 403
    told = realm.call("POST", "/v3/s3tokens", document, token=service)
    assert told.status == 200
    assert told.json()["token"]["project"]["id"] == place
    document["credentials"]["signature"] = "wrong"
    assert realm.call("POST", "/v3/s3tokens", document, token=service).status == 401


def test_signatures_of_version_4() -> None:
    """The key follows from the day, region and service that the text names."""
    text = b"AWS4-HMAC-SHA256\n20261121T000000Z\n20261121/r/s3/aws4_request\n" + b"0" * 64
    key = b"AWS4secret"
    for word in (b"20261121", b"r", b"s3", b"aws4_request"):
        key = hmac.digest(key, word, "sha256")
    signature = hmac.digest(key, text, "sha256").hex()
    encoded = base64.urlsafe_b64encode(text).decode()
    assert holds("secret", encoded, signature)
    assert not holds("other", encoded, signature)
    assert not holds("secret", encoded, signature[:-1])
    assert not holds("secret", "?", signature)


def test_an_access_key_is_found_by_its_access_of_today(realm: Realm) -> None:
    """A blob may be changed, its access with it; no two credentials have the same."""
    demo, service = realm.log_in("demo", project("demo")), realm.log_in("cloud", project("service"))
    key = made(realm, demo, *whoami(realm, demo))
    listed = realm.call("GET", "/v3/credentials?type=ec2", token=demo).json()["credentials"]
    one = next(each["id"] for each in listed if key["access"] in each["blob"])
    fresh = {"credential": {"blob": '{"access": "fresh", "secret": "t"}'}}
    assert realm.call("PATCH", f"/v3/credentials/{one}", fresh, token=demo).status == 200
    path = "/v3/apus/access_keys/"
    assert realm.call("GET", path + key["access"], token=service).status == 404
    assert realm.call("GET", path + "fresh", token=service).json()["access_key"]["secret"] == "t"
    other = made(realm, demo, *whoami(realm, demo))
    blob = json.dumps({"access": other["access"], "secret": "t"})
    stolen = {"credential": {"blob": blob}}
    assert realm.call("PATCH", f"/v3/credentials/{one}", stolen, token=demo).status == 409
