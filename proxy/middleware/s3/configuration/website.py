"""A bucket as a website: which page stands for a folder, which one for what is not there, or where it is.

    <WebsiteConfiguration> ──check()──▶ S3Error, or it may be kept
                           ──metadata_of()──▶ what the filter staticweb reads

The index is said in staticweb's own words, so that the store's API shows and changes it, too; for the rest it
has no words. Pure.
"""

from __future__ import annotations

import re

from ..errors import S3Error
from ..xml import Node
from . import reading

NAME_BYTES_MAX = 256
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?(/[!-~]*)?")
_INDEX, _OWN_ERROR = "X-Container-Meta-Web-Index", "X-Container-Meta-Web-Error"
_ERROR = "X-Container-Sysmeta-S3api-Website-Error"
_ELSEWHERE = "X-Container-Sysmeta-S3api-Website-Elsewhere"


def check(root: Node) -> None:
    """Refuse what is no website, or one that is not served here.

    Raises:
        S3Error: MalformedXML, InvalidArgument, NotImplemented.
    """
    tags = ("IndexDocument", "ErrorDocument", "RedirectAllRequestsTo", "RoutingRules")
    reading.only(root, tags, once=tags)
    if root.find("RoutingRules") is not None:
        raise S3Error("NotImplemented", "Websites have no RoutingRules here.")
    elsewhere = root.find("RedirectAllRequestsTo")
    if elsewhere is not None:
        if len(root.children) > 1:
            raise S3Error("InvalidArgument", "RedirectAllRequestsTo cannot be provided with other elements.")
        _check_elsewhere(elsewhere)
        return
    suffix = reading.text(reading.needed(root, "IndexDocument"), "Suffix")
    if "/" in suffix:
        raise S3Error("InvalidArgument", "The IndexDocument Suffix is not well formed")
    for text in (suffix, _error_of(root)):
        if not text.isprintable() or len(text.encode()) > NAME_BYTES_MAX:
            raise S3Error("InvalidArgument", "The name of a document is not valid.")


def _check_elsewhere(node: Node) -> None:
    reading.only(node, ("HostName", "Protocol"), once=("HostName", "Protocol"))
    if not _HOST.fullmatch(reading.text(node, "HostName")):
        raise S3Error("InvalidArgument", "The HostName is not valid.")
    if node.find("Protocol") is not None:
        reading.one_of(node.value("Protocol"), ("http", "https"), "Protocol")


def _error_of(root: Node) -> str:
    node = root.find("ErrorDocument")
    return "" if node is None else reading.text(node, "Key")


def metadata_of(root: Node | None) -> dict[str, str]:
    """Return what a container says of its website; of None, that it is none."""
    said = {_INDEX: "", _OWN_ERROR: "", _ERROR: "", _ELSEWHERE: ""}
    if root is not None:
        elsewhere = root.find("RedirectAllRequestsTo")
        if elsewhere is not None:
            protocol = elsewhere.value("Protocol")
            host = reading.text(elsewhere, "HostName").rstrip("/")
            said[_ELSEWHERE] = f"{protocol}://{host}" if protocol else host
        else:
            said[_INDEX] = reading.text(reading.needed(root, "IndexDocument"), "Suffix")
            said[_ERROR] = _error_of(root)
    return {name: value.encode().decode("latin-1") for name, value in said.items()}
