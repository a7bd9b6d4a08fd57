"""Laws of requests that are signed with an access key, against python-keystoneclient's signer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from keystone_world import Realm, project
from keystoneclient.contrib.ec2.utils import Ec2Signer

from apus.compute.identity.ec2_signature import AGE_SECONDS_MAX, request_holds

NOW = 1_800_000_000.0
DAY = datetime.fromtimestamp(NOW, UTC)
V4_DATE = DAY.strftime("%Y%m%dT%H%M%SZ")
CREDENTIAL = f"key/{DAY:%Y%m%d}/region/ec2/aws4_request"


def of_version_2() -> dict[str, Any]:
    params = {
        "SignatureVersion": "2",
        "Action": "Describe Instances",
        "Timestamp": f"{DAY:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {"verb": "GET", "host": "cloud.example", "path": "/services", "params": params, "headers": {}}


def in_headers() -> dict[str, Any]:
    authorization = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host;x-amz-date,Signature=s"
    headers = {"Host": "cloud.example:8788", "X-Amz-Date": V4_DATE, "Authorization": authorization}
    body = hashlib.sha256(b"Action=Describe").hexdigest()
    params = {"Action": "Describe"}
    return {"verb": "POST", "host": "x", "path": "/", "params": params, "headers": headers, "body_hash": body}


def in_the_query() -> dict[str, Any]:
    params = {
        "Action": "a b/c",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": CREDENTIAL,
        "X-Amz-Date": V4_DATE,
        "X-Amz-SignedHeaders": "host",
    }
    headers = {"host": "cloud.example"}
    body = hashlib.sha256(b"").hexdigest()
    return {"verb": "GET", "host": "x", "path": "/", "params": params, "headers": headers, "body_hash": body}


FORMS = {"version 2": of_version_2, "headers": in_headers, "query": in_the_query}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_a_stock_client_signs_holds(form: Any) -> None:
    """With the right secret, within a quarter of an hour; and not when any part of it is another."""
    asked = form()
    asked["signature"] = Ec2Signer("secret").generate(asked)
    assert request_holds("secret", asked, NOW)
    assert request_holds("secret", asked, NOW + AGE_SECONDS_MAX)
    assert not request_holds("secret", asked, NOW + AGE_SECONDS_MAX + 1)
    assert not request_holds("secret", asked, NOW - AGE_SECONDS_MAX - 1)
    assert not request_holds("other", asked, NOW)
    for change in ({"path": "/else"}, {"verb": "PUT"}, {"signature": "x"}):
        assert not request_holds("secret", {**asked, **change}, NOW), change


@pytest.mark.parametrize(
    "odd", [{}, {"params": 1, "headers": "x"}, {"headers": {"Authorization": "AWS4-HMAC-SHA256"}}]
)
def test_what_is_no_signed_request_does_not_hold(odd: dict[str, Any]) -> None:
    """Whatever is sent instead of one."""
    assert not request_holds("secret", odd, NOW)


def test_a_service_gets_the_token_of_who_signed(realm: Realm) -> None:
    """POST /v3/ec2tokens: for services only, and the token ends with the key."""
    demo, service = realm.log_in("demo", project("demo")), realm.log_in("cloud", project("service"))
    said = realm.call("GET", "/v3/auth/tokens", token=demo, headers={"X-Subject-Token": demo}).json()["token"]
    path = f"/v3/users/{said['user']['id']}/credentials/OS-EC2"
    wish = {"tenant_id": said["project"]["id"]}
    key = realm.call("POST", path, wish, token=demo).json()["credential"]
    asked = of_version_2()
    moment = datetime.fromtimestamp(realm.world.clock(), UTC)
    asked["params"]["Timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    asked |= {"access": key["access"], "signature": Ec2Signer(key["secret"]).generate(asked)}
    body = {"credentials": asked}
    assert realm.call("POST", "/v3/ec2tokens", body).status == 401
    assert realm.call("POST", "/v3/ec2tokens", body, token=demo).status == 403
    told = realm.call("POST", "/v3/ec2tokens", body, token=service)
    assert told.status == 200
    assert told.json()["token"]["project"]["id"] == said["project"]["id"]
    token = told.headers["x-subject-token"]
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 200
    assert realm.call("DELETE", f"{path}/{key['access']}", token=demo).status == 204
    assert realm.call("GET", "/v3/auth/projects", token=token).status == 401
    assert realm.call("POST", "/v3/ec2tokens", body, token=service).status in (401, 404)
