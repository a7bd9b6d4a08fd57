"""Who may: GET and PUT of ?acl, ?policy and ?policyStatus, and what a new bucket is given.

    grants ──acl.lists_of──▶ the container's lists, and the grants as stock Swift keeps them
    policy ──policy_of: understood?──▶ kept word for word, as Terraform compares it

An object has its bucket's list: one that says as much is taken, another one is NotImplemented, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .....common.http.answer import Answer
from ....info import ContainerInfo
from .. import xml
from ..answers import owner, xml_answer
from ..errors import S3Error, from_swift
from ..names import segments_of
from ..request import Request
from . import acl, documents
from .acl import Grant
from .bucket_facts import Operation, document_of, facts_for_owner, keep, node_of, say
from .judging import ACL, BLOCK, POLICY
from .kinds import OWNERSHIPS
from .policy import BYTES_MAX, BadPolicy, policy_of
from .public_access import flags_of

ACL_HEADER = "X-Container-Sysmeta-S3api-Acl"
ACL_BYTES_MAX = 200 * 1024
OWNERSHIP = "ownershipcontrols"
ENFORCED = OWNERSHIPS[0]
_GRANT_HEADERS: Mapping[str, str] = {
    f"x-amz-grant-{permission.lower().replace('_', '-')}": permission for permission in acl.PERMISSIONS
}
_GRANT_KEYS = frozenset("HTTP_" + name.upper().replace("-", "_") for name in ("x-amz-acl", *_GRANT_HEADERS))


# --- access lists ----------------------------------------------------------------------------


def get_bucket_acl(request: Request) -> Answer:
    """GetBucketAcl."""
    return _shown(request, facts_for_owner(request))


def get_object_acl(request: Request) -> Answer:
    """GetObjectAcl: the bucket's."""
    info = facts_for_owner(request)
    _require_object(request)
    return _shown(request, info)


def put_bucket_acl(request: Request) -> Answer:
    """PutBucketAcl."""
    grants = said_grants(request, has_body=True)
    if grants is None:
        raise S3Error("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    info = facts_for_owner(request)
    _refuse_where_blocked(request, info, grants)
    headers = _headers_of(grants, request.account)
    say(request, headers)
    assert request.bucket is not None
    _say_of_parts(request, headers)
    return Answer(200)


def put_object_acl(request: Request) -> Answer:
    """PutObjectAcl, of what its bucket has already."""
    grants = said_grants(request, has_body=True)
    if grants is None:
        raise S3Error("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    info = facts_for_owner(request)
    _require_object(request)
    refuse_other_list(info, grants, request.account)
    return Answer(200)


def refuse_other_list(info: ContainerInfo, grants: Sequence[Grant], owner: str) -> None:
    """Refuse a list for an object that is not its bucket's; `private` many programs say of everything.

    Raises:
        S3Error: NotImplemented.
    """
    own = {Grant(owner, "FULL_CONTROL")}
    if set(grants) - own and set(grants) | own != set(_grants(info, owner)) | own:
        raise S3Error("NotImplemented", "An object has its bucket's access list; set that, or a policy.")


def said_grants(request: Request, *, has_body: bool) -> list[Grant] | None:
    """Return the grants that a request asks for, None where it says nothing of any.

    Raises:
        S3Error: for what is no list of grants, or two of them.
    """
    owner = request.account
    name = request.header("x-amz-acl")
    found = {word: text for word in _GRANT_HEADERS if (text := request.header(word))}
    body = request.body(ACL_BYTES_MAX) if has_body else b""
    if bool(name) + bool(found) + bool(body) > 1:
        if body:
            raise S3Error("UnexpectedContent")
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if name:
        return acl.canned(name, owner)
    if body:
        return acl.of_document(xml.parse(body, "AccessControlPolicy", bytes_max=ACL_BYTES_MAX), owner)
    return acl.of_headers({_GRANT_HEADERS[word]: text for word, text in found.items()})


def _shown(request: Request, info: ContainerInfo) -> Answer:
    grants = _grants(info, request.account)
    return xml_answer(acl.document(grants, owner(request)))


def _grants(info: ContainerInfo, owner: str) -> list[Grant]:
    return acl.grants_of(info.read_acl, info.write_acl, info.sysmeta.get(ACL), owner)


def _headers_of(grants: Sequence[Grant], owner: str) -> dict[str, str]:
    kept = acl.kept(grants, owner)
    if len(kept) > documents.PIECE_MAX:
        raise S3Error("MalformedACLError", "The access list is too long.")
    return {**acl.lists_of(grants, owner), ACL_HEADER: kept}


def _refuse_where_blocked(request: Request, info: ContainerInfo, grants: Sequence[Grant]) -> None:
    if _is_blocked(info, "BlockPublicAcls") and any(grant.is_public for grant in grants):
        raise S3Error("AccessDenied", "The bucket's public access block does not allow public lists.")
    if _ownership(info) == ENFORCED and any(grant.grantee != request.account for grant in grants):
        raise S3Error("AccessControlListNotSupported")


def _ownership(info: ContainerInfo) -> str | None:
    root = node_of(info, OWNERSHIP)
    rule = None if root is None else root.find("Rule")
    return None if rule is None else rule.value("ObjectOwnership")


def _is_blocked(info: ContainerInfo, flag: str) -> bool:
    text = document_of(info, BLOCK)
    return text is not None and flags_of(text).get(flag, False)


def _say_of_parts(request: Request, headers: Mapping[str, str]) -> None:
    """Let the parts of large objects be read by whom the objects are."""
    assert request.bucket is not None
    lists = {name: value for name, value in headers.items() if name != ACL_HEADER}
    reply = request.ask("POST", segments_of(request.bucket), headers=lists)
    reply.close()
    if not reply.is_good and reply.status != 404:
        raise from_swift(reply.status, request)


def _require_object(request: Request) -> None:
    """Raise what is true of an object that is not there."""
    query = {"version-id": request.query["versionId"]} if request.query.get("versionId") else None
    reply = request.ask("HEAD", request.bucket, request.key, query=query, trusted=True)
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request)


def check_upload(request: Request, word: str) -> None:
    """Refuse an upload that asks for a list which is not its bucket's.

    Raises:
        S3Error: for that, and for what is no list.
    """
    if request.key is None or word == "acl" or _GRANT_KEYS.isdisjoint(request.environ):
        return
    grants = said_grants(request, has_body=False)
    if grants is not None:
        refuse_other_list(request.container(), grants, request.account)


# --- policies --------------------------------------------------------------------------------


def get_policy(request: Request) -> Answer:
    """GetBucketPolicy."""
    text = _policy(request, facts_for_owner(request))
    return Answer(200, {"Content-Type": "application/json"}, text.encode("utf-8", "surrogateescape"))


def put_policy(request: Request) -> Answer:
    """PutBucketPolicy."""
    body = request.body(4 * BYTES_MAX)
    if not body:
        raise S3Error("MissingRequestBodyError")
    assert request.bucket is not None
    try:
        text = body.decode()
        policy = policy_of(text, request.bucket)
    except (UnicodeDecodeError, BadPolicy) as problem:
        raise S3Error("MalformedPolicy", f"The policy is not valid: {problem}.") from problem
    info = facts_for_owner(request)
    if policy.is_public and _is_blocked(info, "BlockPublicPolicy"):
        raise S3Error("AccessDenied", "The bucket's public access block does not allow public policies.")
    keep(request, POLICY, text)
    return Answer(204)


def delete_policy(request: Request) -> Answer:
    """DeleteBucketPolicy."""
    say(request, documents.erased(POLICY, request.container().sysmeta))
    return Answer(204)


def get_policy_status(request: Request) -> Answer:
    """GetBucketPolicyStatus."""
    assert request.bucket is not None
    is_public = policy_of(_policy(request, facts_for_owner(request)), request.bucket).is_public
    return xml_answer(xml.element("PolicyStatus", xml.element("IsPublic", is_public)))


def _policy(request: Request, info: ContainerInfo) -> str:
    text = document_of(info, POLICY)
    if text is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=request.bucket)
    return text


# --- new buckets -----------------------------------------------------------------------------


def of_new_bucket(request: Request) -> Mapping[str, str]:
    """Return what the container of a new bucket is to say of who may use it."""
    headers: dict[str, str] = {}
    ownership = request.header("x-amz-object-ownership")
    if ownership is not None and ownership not in OWNERSHIPS:
        raise S3Error("InvalidArgument", ArgumentName="x-amz-object-ownership", ArgumentValue=ownership)
    grants = said_grants(request, has_body=False)
    if grants is not None:
        if ownership == ENFORCED and any(grant.grantee != request.account for grant in grants):
            raise S3Error("InvalidRequest", "Bucket cannot have ACLs set with BucketOwnerEnforced.")
        headers.update(_headers_of(grants, request.account))
    if ownership is not None:
        rule = xml.element("Rule", xml.element("ObjectOwnership", ownership))
        headers.update(documents.packed(OWNERSHIP, str(xml.element("OwnershipControls", rule)), {}))
    return headers


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("bucket", "GET", "acl"): get_bucket_acl,
    ("bucket", "PUT", "acl"): put_bucket_acl,
    ("object", "GET", "acl"): get_object_acl,
    ("object", "PUT", "acl"): put_object_acl,
    ("bucket", "GET", "policy"): get_policy,
    ("bucket", "PUT", "policy"): put_policy,
    ("bucket", "DELETE", "policy"): delete_policy,
    ("bucket", "GET", "policyStatus"): get_policy_status,
}
