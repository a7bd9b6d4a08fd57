"""What goes wrong, in S3's words.

    S3Error("NoSuchKey", Key="a") ──answer()──▶ 404 and <Error><Code>NoSuchKey</Code>…</Error>
    status of the store's answer ──from_swift()──▶ S3Error

Programs decide by code and status; the sentence is for people. Who raises an error does not need to know
its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ....common.http.answer import Answer
from ....common.http.wsgi import from_wsgi
from .markup import Element, element, render

CODES: Mapping[str, tuple[int, str]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs."),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "This is not allowed to pages of this origin."),
    "AuthorizationHeaderMalformed": (400, "The Authorization header cannot be read."),
    "AuthorizationQueryParametersError": (400, "The query parameters of the signature cannot be read."),
    "BadDigest": (400, "The body is not what its digest says."),
    "BadRequest": (400, "The request is not valid."),
    "BucketAlreadyExists": (409, "A bucket of this name exists already; choose another name."),
    "BucketAlreadyOwnedByYou": (409, "You have a bucket of this name already."),
    "BucketNotEmpty": (409, "The bucket is not empty: delete its objects and their versions first."),
    "ConditionalRequestConflict": (409, "Another write of the same object came first; try again."),
    "CredentialsNotSupported": (400, "This request takes no credentials."),
    "EntityTooLarge": (400, "The upload is larger than an object may be."),
    "EntityTooSmall": (400, "A part other than the last one is smaller than a part may be."),
    "ExpiredToken": (400, "The security token has expired."),
    "IllegalLocationConstraintException": (400, "This place cannot be asked for here."),
    "IncompleteBody": (400, "The body is shorter than was announced."),
    "InternalError": (500, "Something failed inside; try again."),
    "InvalidAccessKeyId": (403, "Nobody has this access key."),
    "InvalidArgument": (400, "An argument is not valid."),
    "InvalidBucketName": (400, "This is no valid name of a bucket."),
    "InvalidBucketState": (409, "The state of the bucket does not allow this."),
    "InvalidChunkSizeError": (403, "Each chunk but the last must have 8192 bytes or more."),
    "InvalidDigest": (400, "The Content-MD5 is no MD5 in base64."),
    "InvalidEncryptionAlgorithmError": (400, "This encryption is not known; AES256 is."),
    "InvalidLocationConstraint": (400, "There is no such place for buckets."),
    "InvalidPart": (400, "A part was not found, or its ETag differs from the one given."),
    "InvalidPartNumber": (416, "The object has no part of this number."),
    "InvalidPartOrder": (400, "The parts must be listed in ascending order."),
    "InvalidPolicyDocument": (400, "This is no valid POST policy."),
    "InvalidRange": (416, "The range lies outside of the object."),
    "InvalidRequest": (400, "The request is not valid."),
    "InvalidRetentionPeriod": (400, "The period of retention must be a positive number."),
    "InvalidStorageClass": (400, "There is no such storage class."),
    "InvalidTag": (400, "A tag is not valid."),
    "InvalidTargetBucketForLogging": (400, "The logs cannot be written to this bucket."),
    "InvalidToken": (400, "The security token is not valid."),
    "InvalidURI": (400, "The path cannot be read: it must be UTF-8, percent-encoded."),
    "KeyTooLongError": (400, "The key is longer than 1024 bytes."),
    "MalformedACLError": (400, "The access control list cannot be read."),
    "MalformedPOSTRequest": (400, "The form cannot be read: it must be well-formed multipart/form-data."),
    "MalformedPolicy": (400, "The policy is not valid."),
    "MalformedTrailerError": (400, "The trailers after the body cannot be read."),
    "MalformedXML": (400, "The XML is not well-formed, or not of the form that this request takes."),
    "MaxMessageLengthExceeded": (400, "The request is too large."),
    "MetadataTooLarge": (400, "The metadata of the object are larger than they may be."),
    "MethodNotAllowed": (405, "The resource does not take this method."),
    "MissingContentLength": (411, "The length of the body must be given."),
    "MissingRequestBodyError": (400, "The request has no body."),
    "MissingSecurityHeader": (400, "A header that the request needs is missing."),
    "NoSuchBucket": (404, "There is no such bucket."),
    "NoSuchBucketPolicy": (404, "The bucket has no policy."),
    "NoSuchCORSConfiguration": (404, "The bucket has no CORS configuration."),
    "NoSuchConfiguration": (404, "The bucket has no such configuration."),
    "NoSuchKey": (404, "There is no such key."),
    "NoSuchLifecycleConfiguration": (404, "The bucket has no lifecycle configuration."),
    "NoSuchObjectLockConfiguration": (404, "The object has no lock configuration."),
    "NoSuchPublicAccessBlockConfiguration": (404, "The bucket has no public access block configuration."),
    "NoSuchTagSet": (404, "The bucket has no tags."),
    "NoSuchUpload": (404, "There is no such upload: it may have been completed or aborted."),
    "NoSuchVersion": (404, "There is no such version."),
    "NoSuchWebsiteConfiguration": (404, "The bucket has no website configuration."),
    "NotImplemented": (501, "This is not implemented."),
    "NotModified": (304, ""),
    "ObjectLockConfigurationNotFoundError": (404, "The bucket has no object lock configuration."),
    "OperationAborted": (409, "Another request for the same resource is under way; try again."),
    "OwnershipControlsNotFoundError": (404, "The bucket has no ownership controls."),
    "PermanentRedirect": (301, "The bucket must be addressed through another endpoint."),
    "PreconditionFailed": (412, "One of the conditions of the request does not hold."),
    "ReplicationConfigurationNotFoundError": (404, "The bucket has no replication configuration."),
    "RequestHeaderSectionTooLarge": (400, "The headers of the request are too large."),
    "RequestTimeTooSkewed": (403, "The clock of the client differs too much from the clock of the server."),
    "RequestTimeout": (400, "The body did not arrive in time."),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "The bucket has no encryption configuration."),
    "ServiceUnavailable": (503, "The store cannot serve this now; try again."),
    "SignatureDoesNotMatch": (403, "The signature is not the one that was computed for this request."),
    "SlowDown": (503, "Requests come too fast; try again more slowly."),
    "TooManyBuckets": (400, "The account has as many buckets as it may have."),
    "UnexpectedContent": (400, "This request takes no body."),
    "UnresolvableGrantByEmailAddress": (400, "Nobody is known by this address."),
    "UserKeyMustBeSpecified": (400, "The form must have a field named key."),
    "XAmzContentSHA256Mismatch": (400, "The body is not what its x-amz-content-sha256 says."),
}
"""Status and usual sentence of each code; a code that is not here is a mistake of ours."""

_OF_STATUS: Mapping[int, str] = {
    304: "NotModified",
    401: "AccessDenied",
    403: "AccessDenied",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "OperationAborted",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    422: "BadDigest",
    429: "SlowDown",
    498: "SlowDown",
    499: "RequestTimeout",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    507: "ServiceUnavailable",
}


class Asked(Protocol):
    """What a request says about what it was for."""

    @property
    def method(self) -> str:
        """The method of the S3 request."""

    @property
    def bucket(self) -> str | None:
        """Its bucket."""

    @property
    def key(self) -> str | None:
        """Its key."""

    def bucket_exists(self) -> bool:
        """Whether its bucket does."""


class S3Error(Exception):
    """A refusal or a failure; `fields` are further elements of its document, in their order."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: str | int | None,
    ) -> None:
        self.code = code
        self.status, sentence = CODES[code]
        self.message = sentence if message is None else message
        self.headers = dict(headers or {})
        self.fields = fields
        super().__init__(f"{code}: {self.message}")

    def elements(self) -> tuple[Element, ...]:
        """Return the code, the sentence and what more there is to say: for an error inside a document."""
        more = (element(name, value) for name, value in self.fields.items() if value is not None)
        return (element("Code", self.code), element("Message", self.message), *more)

    def document(self, request_id: str, resource: str) -> bytes:
        """Return the error's document."""
        where = (
            element("Resource", resource),
            element("RequestId", request_id),
            element("HostId", request_id),
        )
        return render(element("Error", *self.elements(), *where), namespace="")

    def answer(self, request_id: str, resource: str) -> Answer:
        """Return the answer that tells it; one to a HEAD loses its body on the way, as every answer does."""
        if self.status == 304:
            return Answer(304, dict(self.headers))
        headers = {"Content-Type": "application/xml", **self.headers}
        return Answer(self.status, headers, self.document(request_id, resource))


def from_swift(
    status: int, request: Asked, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> S3Error:
    """Return what an answer of the store means to an S3 client.

    `headers` go with it where S3 has them, too (304, 412); `body` is the store's sentence, and is passed on
    where S3 has no better one.
    """
    if status == 404 or (headers or {}).get("x-backend-condition") == "absent":
        if request.key is not None and request.bucket_exists():
            return S3Error("NoSuchKey", Key=request.key)
        return S3Error("NoSuchBucket", BucketName=request.bucket)
    if status == 409 and request.key is None and request.method == "DELETE":
        return S3Error("BucketNotEmpty", BucketName=request.bucket)
    if status in (304, 412):
        kept = {name: value for name, value in (headers or {}).items() if name.lower() in _TOLD}
        return S3Error(_OF_STATUS[status], headers=kept)
    code = _OF_STATUS.get(status)
    if code is not None:
        return S3Error(code)
    if status // 100 == 4:
        sentence = from_wsgi(body.decode("latin-1")).strip() or None
        return S3Error("InvalidRequest", sentence)
    return S3Error("InternalError")


_TOLD = frozenset(("etag", "last-modified", "x-amz-version-id", "cache-control", "expires", "vary"))
