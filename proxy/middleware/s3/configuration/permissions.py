"""Who may: GET and PUT of ?acl, ?policy and ?policyStatus, and what a new bucket is given.

    grants ──acl.lists_of──▶ the container's lists, and the grants as stock Swift keeps them
    policy ──policy_of: understood?──▶ kept word for word, as Terraform compares it

Lists of single objects are object_lists.py's.
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
from .bucket_facts import Operation, document_of, facts_for_owner, keep, say
from .judging import ACL, BLOCK, ENFORCED, OWNERSHIP, POLICY
from .kinds import OWNERSHIPS
from .policy import BYTES_MAX, BadPolicy, policy_of
from .public_access import flags_of
from .xml_memory import ownership

ACL_HEADER = "X-Container-Sysmeta-S3api-Acl"
ACL_BYTES_MAX = 200 * 1024
_GRANT_HEADERS: Mapping[str, str] = {
    f"x-amz-grant-{permission.lower().replace('_', '-')}": permission for permission in acl.PERMISSIONS
}
GRANT_KEYS = frozenset("HTTP_" + name.upper().replace("-", "_") for name in ("x-amz-acl", *_GRANT_HEADERS))


# --- access lists ----------------------------------------------------------------------------


def get_bucket_acl(request: Request) -> Answer:
    """GetBucketAcl."""
    return _shown(request, facts_for_owner(request))


def put_bucket_acl(request: Request) -> Answer:
    """PutBucketAcl."""
    grants = said_grants(request, has_body=True)
    if grants is None:
        raise S3Error("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    info = facts_for_owner(request)
    refuse_where_blocked(request, info, grants)
    headers = _headers_of(grants, request.account)
    say(request, headers)
    assert request.bucket is not None
    _say_of_parts(request, headers)
    return Answer(200)


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
    grants = grants_of(info, request.account)
    return xml_answer(acl.document(grants, owner(request)))


def grants_of(info: ContainerInfo, owner: str) -> list[Grant]:
    """Return the grants of a bucket."""
    return acl.grants_of(info.read_acl, info.write_acl, info.sysmeta.get(ACL), owner)


def _headers_of(grants: Sequence[Grant], owner: str) -> dict[str, str]:
    kept = acl.kept(grants, owner)
    if len(kept) > documents.PIECE_MAX:
        raise S3Error("MalformedACLError", "The access list is too long.")
    return {**acl.lists_of(grants, owner), ACL_HEADER: kept}


def refuse_where_blocked(request: Request, info: ContainerInfo, grants: Sequence[Grant]) -> None:
    """Refuse a list that lets in whom the bucket's owner keeps out.

    Raises:
        S3Error: AccessDenied, AccessControlListNotSupported.
    """
    if _is_blocked(info, "BlockPublicAcls") and any(grant.is_public for grant in grants):
        raise S3Error("AccessDenied", "The bucket's public access block does not allow public lists.")
    text = document_of(info, OWNERSHIP)
    if text is None or ownership(text) != ENFORCED:
        return
    if any(grant.grantee != request.account for grant in grants):
        raise S3Error("AccessControlListNotSupported")


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
    ("bucket", "GET", "policy"): get_policy,
    ("bucket", "PUT", "policy"): put_policy,
    ("bucket", "DELETE", "policy"): delete_policy,
    ("bucket", "GET", "policyStatus"): get_policy_status,
}
