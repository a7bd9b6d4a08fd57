"""Documents of a bucket: set, shown, taken away."""

from __future__ import annotations

from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import Environ, ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.s3 import at_rest, operations
from apus.proxy.middleware.s3.configuration import keeping, permissions
from apus.proxy.middleware.s3.configuration.kinds import ABSENT, EMPTY, KINDS
from apus.proxy.middleware.s3.errors import S3Error

GOOD = {
    "cors": "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>",
    "lifecycle": "<Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule>",
    "tagging": "<TagSet><Tag><Key>a=b</Key><Value>ü @</Value></Tag></TagSet>",
    "website": "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>",
    "publicAccessBlock": "<BlockPublicAcls>true</BlockPublicAcls>",
    "ownershipControls": "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>",
    "encryption": "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
    "</ApplyServerSideEncryptionByDefault></Rule>",
    "logging": "",
    "requestPayment": "<Payer>BucketOwner</Payer>",
}
BAD = {
    "cors": ("", "MalformedXML"),
    "lifecycle": ("<Odd/>", "MalformedXML"),
    "tagging": ("<TagSet><Tag><Key>a</Key></Tag></TagSet>", "MalformedXML"),
    "website": ("<IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules/>", "NotImplemented"),
    "publicAccessBlock": ("<BlockPublicAcls>perhaps</BlockPublicAcls>", "MalformedXML"),
    "ownershipControls": ("<Rule><ObjectOwnership>Mine</ObjectOwnership></Rule>", "MalformedXML"),
    "encryption": (
        GOOD["encryption"].replace("AES256", "aws:kms"),
        "NotImplemented",
    ),
    "logging": ("<LoggingEnabled/>", "MalformedXML"),
    "requestPayment": ("<Payer>Requester</Payer>", "NotImplemented"),
}


@pytest.fixture(autouse=True)
def _encrypting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store encrypts what it stores."""
    monkeypatch.setattr(at_rest, "is_encrypting", lambda: True)


def owner(environ: Environ) -> Answer | None:
    """Judge as an auth filter does the owner."""
    environ["apus.owner"] = True
    return None


class World:
    """A bucket c, seen by its owner or by somebody who may read it."""

    def __init__(self) -> None:
        self.store = KeepingStore()
        assert ask(self.store, "PUT", "/v1/a/c").status == 201

    def do(
        self, method: str, word: str, body: bytes = b"", *, bucket: str = "c", authorize: Any = owner
    ) -> Answer:
        """Serve a request."""
        asked = request(self.store, method, bucket, None, {word: ""}, body=body)
        asked.environ["apus.authorize"] = authorize
        return operations.found(asked)(asked)

    def put(self, word: str, inside: str) -> Answer:
        """Set a document."""
        root = KINDS[word].root
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        return self.do("PUT", word, f'<{root} xmlns="{namespace}">\n {inside}\n</{root}>'.encode())

    def code(self, *said: Any, **more: Any) -> str:
        """Return the code of a refusal."""
        with pytest.raises(S3Error) as caught:
            self.do(*said, **more)
        return caught.value.code


def test_every_kind_is_tried_here() -> None:
    """A new one needs a line above."""
    assert GOOD.keys() == BAD.keys() == KINDS.keys()


@pytest.mark.parametrize("word", GOOD)
def test_what_was_put_is_got(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the namespace, and until it is deleted."""
    world = World()
    assert world.put(word, GOOD[word]).status == KINDS[word].put_status
    answer = world.do("GET", word)
    assert isinstance(answer.body, bytes)
    if word != "lifecycle":  # Each rule gets a name.
        assert GOOD[word].encode() in answer.body
    assert b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' in answer.body
    if KINDS[word].may_delete:
        assert world.do("DELETE", word).status == 204
        monkeypatch.setattr(at_rest, "is_encrypting", lambda: False)
        assert world.code("GET", word) == KINDS[word].missing


@pytest.mark.parametrize("word", BAD)
def test_what_is_refused_is_not_kept(word: str) -> None:
    """The one before it stays."""
    world = World()
    world.put(word, GOOD[word])
    before = dict(world.store.containers["c"])
    inside, code = BAD[word]
    with pytest.raises(S3Error) as caught:
        world.put(word, inside)
    assert caught.value.code == code
    assert world.store.containers["c"] == before


@pytest.mark.parametrize("word", [*KINDS, *EMPTY, *ABSENT, "acl", "policy", "policyStatus", "object-lock"])
def test_it_is_the_owners_business(word: str) -> None:
    """Who may list a bucket may not look into its configuration; what is not there is missed first."""
    world = World()
    assert world.code("GET", word, authorize=lambda _environ: None) == "AccessDenied"
    assert world.code("GET", word, authorize=lambda _environ: Answer(403)) == "AccessDenied"
    assert world.code("GET", word, bucket="nowhere") == "NoSuchBucket"


@pytest.mark.parametrize("word", [*KINDS, "policy", "acl"])
def test_writing_is_the_owners_too(word: str) -> None:
    """A POST to the container decides."""
    world = World()
    body = b'{"Version": "2012-10-17", "Statement": []}'
    if word in KINDS:
        body = f"<{KINDS[word].root}>{GOOD[word]}</{KINDS[word].root}>".encode()
    before = dict(world.store.containers["c"])
    code = world.code("PUT", word, body, authorize=lambda _environ: Answer(403))
    assert code in ("AccessDenied", "MalformedPolicy", "MalformedXML")
    assert world.store.containers["c"] == before


@pytest.mark.parametrize("word", EMPTY)
def test_what_no_bucket_has_is_empty(word: str) -> None:
    """200, as SDKs and Terraform expect."""
    assert World().do("GET", word).status == 200


def test_what_is_known_and_not_implemented() -> None:
    """Trap: it never falls through to the bucket itself (lp 2144831)."""
    world = World()
    for word in ("replication", "accelerate", "inventory", "analytics", "metrics"):
        assert world.code("PUT", word, b"<x/>") in ("NotImplemented", "MethodNotAllowed"), word


def test_rules_get_names_and_flags_are_all_told() -> None:
    """Terraform compares what it is shown with what it has sent, and with what it knows AWS to add."""
    world = World()
    answer = world.put("lifecycle", GOOD["lifecycle"])
    header = "x-amz-transition-default-minimum-object-size"
    assert answer.headers[header] == "all_storage_classes_128K"
    answer = world.do("GET", "lifecycle")
    assert isinstance(answer.body, bytes)
    assert b"<Rule><ID>" in answer.body
    assert answer.headers[header] == "all_storage_classes_128K"
    world.put("publicAccessBlock", GOOD["publicAccessBlock"])
    answer = world.do("GET", "publicAccessBlock")
    assert isinstance(answer.body, bytes)
    assert answer.body.count(b">false<") == 3


def test_an_entity_bomb_is_malformed() -> None:
    """CVE-2022-47950: no document declares entities."""
    body = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Tagging><TagSet/></Tagging>'
    assert World().code("PUT", "tagging", body) == "MalformedXML"


def test_a_new_bucket_says_who_may() -> None:
    """Its list and ownership come with the request that makes it."""
    asked = request(KeepingStore(), "PUT", "c", headers={"x-amz-acl": "public-read"})
    said = permissions.of_new_bucket(asked)
    assert said["X-Container-Read"] == ".r:*,.rlistings"
    headers = {"x-amz-acl": "public-read", "x-amz-object-ownership": "BucketOwnerEnforced"}
    for wrong in (headers, {"x-amz-acl": "odd"}, {"x-amz-object-ownership": "odd"}):
        with pytest.raises(S3Error):
            permissions.of_new_bucket(request(KeepingStore(), "PUT", "c", headers=wrong))


def test_operations_of_this_package_are_served() -> None:
    """Each is in the filter's table."""
    assert keeping.OPERATIONS.items() <= dict(operations.OPERATIONS).items()
    assert permissions.OPERATIONS.items() <= dict(operations.OPERATIONS).items()


def test_a_bucket_cannot_ask_for_what_the_store_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store encrypts, all buckets are encrypted; where it doesn't, none can be."""
    world = World()
    answer = world.do("GET", "encryption")
    assert isinstance(answer.body, bytes)
    assert b"<SSEAlgorithm>AES256</SSEAlgorithm>" in answer.body
    monkeypatch.setattr(at_rest, "is_encrypting", lambda: False)
    root = KINDS["encryption"].root
    body = f"<{root}>{GOOD['encryption']}</{root}>".encode()
    assert world.code("PUT", "encryption", body) == "NotImplemented"
