"""How a bucket's owner wants its objects encrypted: by the store, or not at all.

    <ServerSideEncryptionConfiguration> ──check(), require()──▶ S3Error, or it may be kept
                                         default() ──▶ what holds where nobody has said anything

What a store does not do its buckets cannot ask for: who has been told that an object is encrypted relies on
it.
"""

from __future__ import annotations

from .. import at_rest
from ..errors import S3Error
from ..request import Request
from ..xml import Element, Node, element
from . import reading

KMS = ("aws:kms", "aws:kms:dsse")
_DEFAULT = "ApplyServerSideEncryptionByDefault"


def check(root: Node) -> None:
    """Refuse what is no such document.

    Raises:
        S3Error: MalformedXML, InvalidArgument, NotImplemented.
    """
    reading.only(root, ("Rule",), once=("Rule",))
    rule = reading.needed(root, "Rule")
    tags = (_DEFAULT, "BucketKeyEnabled", "BlockedEncryptionTypes")
    reading.only(rule, tags, once=tags)
    default = reading.needed(rule, _DEFAULT)
    reading.only(default, ("SSEAlgorithm", "KMSMasterKeyID"))
    algorithm = reading.text(default, "SSEAlgorithm")
    if algorithm in KMS:
        raise S3Error("NotImplemented", "There is no key management service; AES256 needs none.")
    reading.one_of(algorithm, (at_rest.ALGORITHM,), "SSEAlgorithm")
    if default.find("KMSMasterKeyID") is not None:
        raise S3Error("InvalidArgument", "a KMSMasterKeyID is not applicable if the algorithm is AES256")


def require(_request: Request, _root: Node) -> None:
    """Refuse it where nothing is encrypted.

    Raises:
        S3Error: NotImplemented.
    """
    if not at_rest.is_encrypting():
        raise S3Error("NotImplemented", "Nothing is encrypted at rest here, so a bucket cannot ask for it.")


def default() -> Element | None:
    """Return what holds where nobody has said anything; None where nothing is encrypted."""
    if not at_rest.is_encrypting():
        return None
    algorithm = element("SSEAlgorithm", at_rest.ALGORITHM)
    rule = element("Rule", element(_DEFAULT, algorithm), element("BucketKeyEnabled", "false"))
    return element("ServerSideEncryptionConfiguration", rule)
