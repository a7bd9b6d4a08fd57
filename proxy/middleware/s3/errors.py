"""What goes wrong, in S3's words.

    S3Error("NoSuchKey", Key="a") ──answer()──▶ 404 and <Error><Code>NoSuchKey</Code>…</Error>
    status of the store's answer ──from_swift()──▶ S3Error

Programs decide by code and status; the sentence is for people, and is Amazon's where there is one, since some
programs look for it. Who raises an error does not need to know its status.
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
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "BadRequest": (400, "The request is not valid."),
    "BucketAlreadyExists": (409, "A bucket of this name exists already; choose another name."),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "CredentialsNotSupported": (400, "This request takes no credentials."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "ExpiredToken": (400, "The provided token has expired."),
    "IllegalLocationConstraintException": (400, "This place cannot be asked for here."),
    "IncompleteBody": (
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    ),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The state of the bucket does not allow this."),
    "InvalidChunkSizeError": (403, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidEncryptionAlgorithmError": (400, "This encryption is not known; AES256 is."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "InvalidPart": (
        400,
        (
            "One or more of the specified parts could not be found.  The part may not have been "
            "uploaded, or the specified entity tag may not match the part's entity tag."
        ),
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidPolicyDocument": (400, "This is no valid POST policy."),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRequest": (400, "The request is not valid."),
    "InvalidRetentionPeriod": (400, "The period of retention must be a positive number."),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "A tag is not valid."),
    "InvalidTargetBucketForLogging": (400, "The logs cannot be written to this bucket."),
    "InvalidToken": (400, "The security token is not valid."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedACLError": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedPolicy": (400, "The policy is not valid."),
    "MalformedTrailerError": (
        400,
        (
            "The request contained trailing data that was not well-formed or did not conform to our "
            "published schema."
        ),
    ),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxMessageLengthExceeded": (400, "The request is too large."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request Body is empty"),
    "MissingSecurityHeader": (400, "Your request was missing a required header"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchConfiguration": (404, "The bucket has no such configuration."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
            "been aborted or completed."
        ),
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "This is not implemented."),
    "NotModified": (304, ""),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OperationAborted": (409, "Another request for the same resource is under way; try again."),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "PermanentRedirect": (301, "The bucket must be addressed through another endpoint."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "RequestHeaderSectionTooLarge": (400, "The headers of the request are too large."),
    "RequestTimeTooSkewed": (
        403,
        "The difference between the request time and the current time is too large.",
    ),
    "RequestTimeout": (400, "The body did not arrive in time."),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    "ServiceUnavailable": (503, "The store cannot serve this now; try again."),
    "SignatureDoesNotMatch": (
        403,
        (
            "The request signature we calculated does not match the signature you provided. Check your "
            "key and signing method."
        ),
    ),
    "SlowDown": (503, "Please reduce your request rate."),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "UnexpectedContent": (400, "This request takes no body."),
    "UnresolvableGrantByEmailAddress": (
        400,
        "The e-mail address you provided does not match any account on record.",
    ),
    "UserKeyMustBeSpecified": (
        400,
        (
            "The bucket POST must contain the specified field name. If it is specified, please check "
            "the order of the fields."
        ),
    ),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
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
