"""Access lists of single objects: GET and PUT of ?acl, and what uploads ask for.

    x-amz-acl, x-amz-grant-* of an upload ──take_upload()──▶ kept beside the object's metadata
    PUT ?acl ──▶ may the caller? ──▶ a POST that says all of the object's metadata again, with another list

A list lets in more people than its bucket does, and never fewer: what the container's lists allow is allowed
without a look at the object. A bucket says once that objects of it may have lists, so that those where none
ever had one are not looked at either. A list is neither copied nor left behind by who overwrites the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .....common.http.answer import Answer
from ....info import ContainerInfo
from ...inner import Reply
from .. import tagging
from ..answers import owner, xml_answer
from ..errors import S3Error, from_swift
from ..request import Request
from . import acl, documents, leave
from .acl import Grant
from .bucket_facts import Operation
from .judging import OBJECT_LISTS, counting
from .locking import UPLOADS
from .permissions import GRANT_KEYS, grants_of, refuse_where_blocked, said_grants

KEY = "HTTP_" + acl.OF_OBJECT.upper().replace("-", "_")
"""Where an upload carries the list."""
_MARK = "X-Container-Sysmeta-" + OBJECT_LISTS


def get_acl(request: Request) -> Answer:
    """GetObjectAcl: the object's own list, and whom the bucket's lets in as well."""
    info = _bucket(request)
    found = _found(request, "HEAD", "READ_ACP")
    grants = dict.fromkeys((*acl.of_object(found.headers), *grants_of(info, request.account)))
    return xml_answer(acl.document(grants, owner(request)))


def put_acl(request: Request) -> Answer:
    """PutObjectAcl."""
    grants = said_grants(request, has_body=True)
    if grants is None:
        raise S3Error("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    info = _bucket(request)
    _found(request, "POST", "WRITE_ACP")
    refuse_where_blocked(request, info, grants)
    kept = _kept(grants, request.account)
    _mark(request, info)
    tagging.told_as(request, "ObjectAcl:Put")
    return Answer(200, tagging.changed(request, lambda _: {acl.OF_OBJECT: kept}))


def take_upload(request: Request, word: str) -> None:
    """Give what is uploaded the list that it asks for.

    Raises:
        S3Error: for what is no list, or not the caller's or the bucket's to give.
    """
    if request.key is None or request.environ.keys().isdisjoint(GRANT_KEYS):
        return
    if (request.method, word) not in UPLOADS:
        return
    grants = said_grants(request, has_body=False)
    if grants is None or all(grant.grantee == request.account for grant in grants):
        return
    info = request.container()
    if not info.exists:
        return  # As the upload itself will find out.
    if not leave.asked(request, "PUT", action="s3:PutObjectAcl").is_owner:
        raise S3Error("AccessDenied", "Only the bucket's owner, and whom a policy allows it, gives access.")
    refuse_where_blocked(request, info, grants)
    kept = _kept(grants, request.account)
    _mark(request, info)
    request.environ[KEY] = kept


def _bucket(request: Request) -> ContainerInfo:
    info = request.container()
    if not info.exists:
        raise from_swift(info.status or 503, request)
    return info


def _found(request: Request, method: str, permission: str) -> Reply:
    """Return what the object says of itself to whom its list, or anything else, gives a permission.

    Who has no right learns nothing, not even whether there is an object.
    """
    allowed = leave.asked(request, method)
    if allowed.is_owner:
        return tagging.found(request)
    if not allowed.is_forbidden:
        try:
            found = tagging.found(request)
        except S3Error as error:
            if error.status == 404:
                raise S3Error("AccessDenied") from error
            raise
        grants = counting(acl.of_object(found.headers), request.container().sysmeta)
        if acl.admits(grants, permission, allowed.names):
            return found
    raise S3Error("AccessDenied")


def _kept(grants: Sequence[Grant], owner_id: str) -> str:
    kept = acl.kept(grants, owner_id)
    if len(kept) > documents.PIECE_MAX:
        raise S3Error("MalformedACLError", "The access list is too long.")
    return kept


def _mark(request: Request, info: ContainerInfo) -> None:
    """Let the bucket say that objects of it may have lists, before the first one does."""
    if OBJECT_LISTS in info.sysmeta:
        return
    reply = request.ask("POST", request.bucket, headers={_MARK: "yes"}, trusted=True)
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request)


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("object", "GET", "acl"): get_acl,
    ("object", "PUT", "acl"): put_acl,
}
