"""Policies and grants, asked whichever door a request comes through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import Environ, ask, environ_for
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.authorization import RULING
from apus.proxy.middleware.inner import call, inner_environ
from apus.proxy.middleware.s3.configuration import acl, documents, judging
from apus.proxy.middleware.s3.configuration.judging import Judge
from apus.proxy.middleware.versioned_writes.names import version_name

EVERYTHING = ["arn:aws:s3:::c", "arn:aws:s3:::c/*"]
BLOCK_ALL = "".join(
    f"<{name}>true</{name}>"
    for name in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
)


class World:
    """A bucket c of the account a, with an object k, and a judge before its auth filter."""

    def __init__(self) -> None:
        self.store = KeepingStore()
        for name in ("c", "c+segments", "d"):
            assert ask(self.store, "PUT", f"/v1/a/{name}").status == 201
            self.put(f"/v1/a/{name}/k")
        for name in ("k/u/1", "other/u/1"):
            self.put(f"/v1/a/c+segments/{name}")

    def put(self, path: str, **headers: str) -> None:
        reply = ask(self.store, "PUT", path, headers=headers, environ={"CONTENT_LENGTH": "0"})
        assert reply.status == 201

    def say(self, name: str, text: str) -> None:
        """Give the bucket a document."""
        headers = documents.packed(name, text, {})
        assert ask(self.store, "POST", "/v1/a/c", headers=headers).status == 204

    def policy(self, **said: Any) -> None:
        """Give the bucket a policy of one statement."""
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": EVERYTHING, **said}
        self.say("policy", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    def environ(self, *, user: str | None = None, lists: str | None = None) -> Environ:
        """Return what is known of a request: it is the owner's, another user's or a stranger's."""

        def authorize(environ: Environ) -> Answer | None:
            if user == "owner":
                environ["apus.owner"] = True
                return None
            given = environ.get("apus.acl") or lists
            return None if given and ".r:*" in given else Answer(403)

        known = {"owner": frozenset(("a", "a:owner", ".admin")), None: frozenset[str]()}
        groups = known.get(user, frozenset((str(user), str(user).partition(":")[0])))
        more = {"REMOTE_USER": ",".join(groups)} if user else {}
        return {
            RULING: Judge(self.store),
            "apus.authorize": authorize,
            "apus.groups": groups,
            **more,
        }

    def ask(
        self,
        method: str,
        path: str = "/v1/a/c/k",
        *,
        user: str | None = None,
        query: str = "",
        **headers: str,
    ) -> int:
        """Return the status of a request of the store's own API."""
        environ = {**self.environ(user=user), "QUERY_STRING": query, "CONTENT_LENGTH": "0"}
        return ask(self.store, method, path, headers=headers, environ=environ).status


def test_without_a_policy_the_auth_filter_decides() -> None:
    """As always."""
    world = World()
    assert world.ask("GET") == 403
    assert world.ask("GET", user="owner") == 200


def test_an_allow_lets_in_whom_nobody_else_does() -> None:
    """For what it is about, and in its own bucket."""
    world = World()
    world.policy(Action="s3:GetObject")
    assert world.ask("GET") == 200
    assert world.ask("PUT") == 403
    assert world.ask("GET", "/v1/a/c") == 403
    assert world.ask("GET", "/v1/a/d/k") == 403
    assert world.ask("GET", "/v1/a/c+segments/k") == 403


def test_a_deny_keeps_out_the_owner() -> None:
    """Nobody is above it; a stranger and somebody known get different statuses."""
    world = World()
    world.policy(Effect="Deny", Action="s3:DeleteObject")
    assert world.ask("DELETE", user="owner") == 403
    assert world.ask("DELETE") == 401
    assert world.ask("GET", user="owner") == 200


def test_parts_are_read_with_the_object_that_is() -> None:
    """On the way of a read alone: who may write a manifest must not read by it what they may not."""
    world = World()
    world.policy(Resource="arn:aws:s3:::c/k")
    for method, expected in (("GET", 200), ("PUT", 403)):
        environ = {**environ_for(method, "/v1/a/c/k"), **world.environ(), "CONTENT_LENGTH": "0"}
        assert call(world.store, environ).is_good
        inner = inner_environ(environ, "GET", "/v1/a/c+segments/k/u/1")
        assert call(world.store, inner).status == expected
        for path in ("a/c+segments/other/u/1", "b/c+segments/k/u/1", "a/c+segments/k"):
            assert call(world.store, inner_environ(environ, "GET", f"/v1/{path}")).status == 403
    assert world.ask("GET", "/v1/a/c+segments/k/u/1") == 403


def test_the_operator_is_above_a_deny() -> None:
    """Somebody must be able to clear up."""
    world = World()
    world.policy(Effect="Deny")
    environ = {**world.environ(user="owner"), "reseller_request": True}
    assert ask(world.store, "GET", "/v1/a/c/k", environ=environ).status == 200


def test_an_allow_leaves_the_owner_the_owner() -> None:
    """Who sees and sets what only owners may."""
    world = World()
    world.policy()
    reply = ask(world.store, "GET", "/v1/a/c", environ=world.environ(user="owner"))
    assert reply.environ["apus.owner"] is True


def test_a_version_is_another_action() -> None:
    """DeleteObject does not delete versions."""
    world = World()
    world.policy(Action="s3:DeleteObject")
    assert world.ask("DELETE", query="version-id=1") == 403
    world.policy(Action="s3:DeleteObjectVersion")
    assert world.ask("DELETE", query="version-id=1") == 204


def test_the_policy_stays_the_owners() -> None:
    """Or a mistake would lock the bucket for ever."""
    world = World()
    world.policy(Effect="Deny")
    asked = request(world.store, "PUT", "c", None, {"policy": ""})
    asked.environ.update(world.environ(user="owner"))
    judging.introduce(asked, "policy")
    assert asked.ask("POST", "c").status == 204
    assert asked.ask("PUT", "c", "k").status == 403


def test_a_request_on_the_way_is_judged_for_what_it_touches() -> None:
    """A copy's source is read; parts are their bucket's; who may put may not read."""
    world = World()
    world.policy(Action="s3:PutObject", Resource="arn:aws:s3:::c/k")
    asked = request(world.store, "PUT", "c", "k", {"uploadId": "u"})
    asked.environ.update(world.environ())
    judging.introduce(asked, "uploadId")
    assert asked.ask("PUT", "c+segments", "k/u/1").is_good
    assert asked.ask("GET", "c", "k").status == 403
    assert asked.ask("GET", "d", "k").status == 403
    other = request(world.store, "PUT", "c", "other", {"uploadId": "u"})
    other.environ.update(world.environ())
    judging.introduce(other, "uploadId")
    assert other.ask("PUT", "c+segments", "other/u/1").status == 403


@pytest.mark.parametrize(
    ("condition", "headers", "status"),
    [
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {}, 200),
        ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {}, 403),
        ({"StringLike": {"aws:Referer": "http://ok/*"}}, {"Referer": "http://ok/page"}, 200),
        ({"StringLike": {"aws:Referer": "http://ok/*"}}, {"Referer": "http://no/page"}, 403),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"X-Forwarded-For": "10.1.2.3"}, 403),
        ({"Bool": {"aws:SecureTransport": "true"}}, {}, 403),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"X-Forwarded-Proto": "https"}, 403),
        ({"StringEquals": {"s3:x-amz-acl": "private"}}, {"X-Amz-Acl": "private"}, 403),
        ({"StringEquals": {"s3:RequestObjectTag/a": "1"}}, {"X-Amz-Tagging": "a=1"}, 403),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, {}, 200),
        ({"StringEquals": {"s3:ExistingObjectTag/a b": "1=2"}}, {}, 200),
        ({"StringEquals": {"s3:ExistingObjectTag/a b": "x"}}, {}, 403),
        ({"StringEquals": {"aws:username": "joe"}}, {}, 403),
    ],
)
def test_facts(condition: Any, headers: dict[str, str], status: int) -> None:
    """What conditions ask for is what the request, and the object, are."""
    world = World()
    world.put("/v1/a/c/k", **{"X-Object-Transient-Sysmeta-S3api-Tagging": "a%20b=1%3D2"})
    world.policy(Action="s3:GetObject", Condition=condition)
    assert world.ask("GET", **headers) == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("prefix=home/", 200),
        ("prefix=home/&prefix=", 403),
        ("prefix=&prefix=home/x", 200),
        ("path=home", 403),
        ("", 403),
        ("prefix=home/&versions=", 403),
        ("prefix=home/&limit=5", 200),
        ("prefix=home/&limit=50", 403),
    ],
)
def test_listings_of_the_other_api_have_prefixes_too(query: str, status: int) -> None:
    """Of two the one counts that the container server takes."""
    world = World()
    prefix = {"StringLike": {"s3:prefix": "home/*"}, "NumericLessThanEqualsIfExists": {"s3:max-keys": 9}}
    world.policy(Action="s3:ListBucket", Condition=prefix)
    assert world.ask("GET", "/v1/a/c", query=query) == status


@pytest.mark.parametrize("query", ["x=versions", "x=uploads", "prefix=version-id%3D1"])
def test_a_deny_is_not_passed_by_with_a_word_in_the_query(query: str) -> None:
    """What looks like another action is none."""
    world = World()
    world.policy(Effect="Deny", Action=["s3:ListBucket", "s3:GetObject"])
    for path in ("/v1/a/c", "/v1/a/c/k"):
        assert world.ask("GET", path, user="owner", query=query) == 403


def test_blocks_overrule_what_lets_strangers_in() -> None:
    """Lists and policies alike; the account's own users are no strangers."""
    world = World()
    world.policy(Action="s3:GetObject")
    assert world.ask("GET", user="a:joe") == 200
    world.say(
        "publicaccessblock", f"<PublicAccessBlockConfiguration>{BLOCK_ALL}</PublicAccessBlockConfiguration>"
    )
    assert world.ask("GET") == 403
    assert world.ask("GET", user="b:ann") == 403
    assert world.ask("GET", user="a:joe") == 200


def test_grants_that_lists_cannot_say() -> None:
    """Everybody who is known; everybody's writing."""
    world = World()
    kept = acl.kept([*acl.canned("public-read-write", "a"), acl.Grant(acl.KNOWN_USERS, "READ")], "a")
    assert ask(world.store, "POST", "/v1/a/c", headers={"X-Container-Sysmeta-S3api-Acl": kept}).status == 204
    assert world.ask("PUT") == 201
    assert world.ask("GET") == 403
    assert world.ask("GET", user="b:ann") == 200
    assert world.ask("POST", "/v1/a/c") == 403


def listed(world: World, *grants: acl.Grant, mark: str = "X-Container-Sysmeta-S3api-Object-Acl") -> None:
    """Give the object k a list, and no other one; the bucket says that there may be lists."""
    world.put("/v1/a/c/k", **{"X-Object-Transient-Sysmeta-S3api-Acl": acl.kept(grants, "a")})
    world.put("/v1/a/c/private")
    assert ask(world.store, "POST", "/v1/a/c", headers={mark: "yes"}).status == 204


def test_an_objects_own_list_opens_it_alone() -> None:
    """To read it, and nothing else; what is not there is refused like what is closed."""
    world = World()
    listed(world, acl.Grant(acl.ALL_USERS, "READ"), acl.Grant(acl.ALL_USERS, "WRITE"))
    assert [world.ask(method) for method in ("GET", "HEAD")] == [200, 200]
    assert [world.ask(method) for method in ("PUT", "POST", "DELETE")] == [403, 403, 403]
    assert world.ask("GET", "/v1/a/c/private") == world.ask("GET", "/v1/a/c/absent") == 403
    assert world.ask("GET", "/v1/a/c") == 403


def test_an_object_is_not_looked_at_in_vain() -> None:
    """Not where the container's lists allow it, nor where no object ever had a list."""
    world = World()
    listed(world, acl.Grant(acl.ALL_USERS, "READ"))
    world.store.seen.clear()
    assert world.ask("GET", user="owner") == 200
    assert world.store.seen == [("GET", "/v1/a/c/k")]
    world.store.seen.clear()
    assert world.ask("GET", "/v1/a/d/k") == 403
    assert world.store.seen == [("GET", "/v1/a/d/k")]


@pytest.mark.parametrize(
    ("grantee", "user", "status"),
    [
        (acl.KNOWN_USERS, None, 403),
        (acl.KNOWN_USERS, "b:ann", 200),
        ("b:ann", "b:ann", 200),
        ("b", "b:ann", 200),
        ("b:ann", "b:joe", 403),
    ],
)
def test_an_objects_list_names_people(grantee: str, user: str | None, status: int) -> None:
    """A user, an account, everybody known."""
    world = World()
    listed(world, acl.Grant(grantee, "READ"))
    assert world.ask("GET", user=user) == status


def test_what_overrules_an_objects_list() -> None:
    """A Deny, a public access block, and buckets whose owner owns all."""
    world = World()
    listed(world, acl.Grant(acl.ALL_USERS, "READ"), acl.Grant("b:ann", "READ"))
    world.policy(Effect="Deny", Action="s3:GetObject", Principal={"AWS": "b"})
    assert (world.ask("GET"), world.ask("GET", user="b:ann")) == (200, 403)
    world.policy(Effect="Deny", Action="s3:DeleteObject")
    document = f"<PublicAccessBlockConfiguration>{BLOCK_ALL}</PublicAccessBlockConfiguration>"
    world.say("publicaccessblock", document)
    assert (world.ask("GET"), world.ask("GET", user="b:ann")) == (403, 200)
    rule = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
    world.say("ownershipcontrols", f"<OwnershipControls>{rule}</OwnershipControls>")
    assert world.ask("GET", user="b:ann") == 403


def test_the_parts_of_an_object_are_read_by_its_list() -> None:
    """On the way of the object's GET alone."""
    world = World()
    listed(world, acl.Grant(acl.ALL_USERS, "READ"))
    environ = {**environ_for("GET", "/v1/a/c/k"), **world.environ(), "CONTENT_LENGTH": "0"}
    assert call(world.store, environ).is_good
    for name, status in (("k/u/1", 200), ("other/u/1", 403)):
        inner = inner_environ(environ, "GET", f"/v1/a/c+segments/{name}")
        assert call(world.store, inner).status == status
    assert world.ask("GET", "/v1/a/c+segments/k/u/1") == 403


def test_a_deny_holds_for_parts_by_either_door() -> None:
    """Who may read their container may not read what a policy closes; uploads are not objects' names."""
    world = World()
    world.policy(Effect="Deny", Action="s3:GetObject", Resource="arn:aws:s3:::c/k")
    assert world.ask("GET", "/v1/a/c+segments/k/u/1", user="owner") == 403
    assert world.ask("GET", "/v1/a/c+segments/other/u/1", user="owner") == 200
    world.policy(Effect="Deny", Action="s3:ListBucketMultipartUploads")
    assert world.ask("GET", "/v1/a/c+segments", user="owner") == 403
    assert world.ask("GET", "/v1/a/c", user="owner") == 200


def test_deletion_of_many_is_judged_for_each_of_their_parts() -> None:
    """The request has no key of its own."""
    world = World()
    world.policy(Action="s3:DeleteObject", Resource="arn:aws:s3:::c/k")
    asked = request(world.store, "POST", "c", None, {"delete": ""})
    asked.environ.update(world.environ())
    judging.introduce(asked, "delete")
    assert asked.ask("DELETE", "c+segments", "k/u/1").is_good
    assert asked.ask("DELETE", "c+segments", "other/u/1").status == 403


def test_versions_are_their_buckets_affair() -> None:
    """Wherever they are kept: a policy's word holds for who asks for one."""
    world = World()
    hidden = "/v1/a/\0versions\0c"
    headers = {"X-Backend-Allow-Reserved-Names": "true"}
    assert ask(world.store, "PUT", hidden, headers=headers).status == 201
    path = f"{hidden}/{version_name('k', '1700000000.00000')}"
    world.put(path, **headers)
    query = "version-id=1700000000.00000"
    assert world.ask("GET", path, query=query, **headers) == 403
    world.policy(Action="s3:GetObject")
    assert world.ask("GET", path, query=query, **headers) == 403
    world.policy(Action="s3:GetObjectVersion")
    assert world.ask("GET", path, query=query, **headers) == 200
    world.policy(Effect="Deny", Action="s3:DeleteObjectVersion")
    assert world.ask("DELETE", path, user="owner", query=query, **headers) == 403


@pytest.mark.parametrize("is_trusted", [False, True])
def test_parts_of_what_may_be_locked_are_s3s(is_trusted: bool) -> None:
    """Copies onto them, and manifests of other buckets that are deleted with all they name, reach none."""
    world = World()
    world.say("object-lock", "<ObjectLockConfiguration/>")
    more = {"swift.authorize_override": True} if is_trusted else {}
    for method in ("PUT", "POST", "DELETE"):
        environ = {**world.environ(user="owner"), **more, "CONTENT_LENGTH": "0"}
        assert ask(world.store, method, "/v1/a/c+segments/k/u/1", environ=environ).status == 403
    assert world.ask("GET", "/v1/a/c+segments/k/u/1", user="owner") == 200
    asked = request(world.store, "DELETE", "c", "k", {"uploadId": "u"})
    asked.environ.update(world.environ(user="owner"))
    judging.introduce(asked, "uploadId")
    assert asked.ask("DELETE", "c+segments", "k/u/1").is_good


def test_large_objects_of_the_other_api_are_not_locked() -> None:
    """So a bucket with locks takes none: their segments could be destroyed."""
    world = World()
    world.say("object-lock", "<ObjectLockConfiguration/>")
    for name, value in (("X-Static-Large-Object", "True"), ("X-Object-Manifest", "d/k")):
        assert world.ask("PUT", user="owner", **{name: value}) == 403


def test_uploads_by_the_other_door_are_locked_by_default() -> None:
    """As S3's are: the bucket's owner wants it so."""
    world = World()
    rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
    world.say("object-lock", f"<ObjectLockConfiguration>{rule}</ObjectLockConfiguration>")
    assert world.ask("PUT", user="owner") == 201
    kept = world.store.objects["c", "k"].headers
    assert kept["x-object-transient-sysmeta-s3api-lock-mode"] == "COMPLIANCE"
    for name in ("X-Delete-After", "X-Delete-At"):
        for more in ({}, {"swift.authorize_override": True}):
            environ = {**world.environ(user="owner"), "CONTENT_LENGTH": "0", **more}
            headers = {name: "9999999999"}
            assert ask(world.store, "PUT", "/v1/a/c/k", headers=headers, environ=environ).status == 403


def test_a_policy_that_cannot_be_read_lets_nobody_in() -> None:
    """503, and the owner neither: it may be a Deny."""
    world = World()
    headers = {"X-Container-Sysmeta-S3api-Policy": "1:00000000:AAAA"}
    assert ask(world.store, "POST", "/v1/a/c", headers=headers).status == 204
    assert world.ask("GET", user="owner") == 503
