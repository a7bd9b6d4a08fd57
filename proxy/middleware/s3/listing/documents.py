"""Listings as S3 documents.

    page of rows, Asked ──▶ listed(page) ──▶ <ListBucketResult> or <ListVersionsResult>

Names are percent-encoded where the client has asked for that; it must, for names with characters that XML
cannot carry. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ...versioned_writes.copies import DELETE_MARKER_TYPE
from .. import times
from ..markup import Element, element, escaped
from ..versioning import NULL
from .asked import Asked, Form, token_of
from .rows import Row, etag, name_of

_TAGS = {Form.FIRST: "ListBucketResult", Form.SECOND: "ListBucketResult", Form.VERSIONS: "ListVersionsResult"}


@dataclass(frozen=True, slots=True)
class Page:
    """What is listed."""

    bucket: str
    asked: Asked
    rows: Sequence[Row]
    is_truncated: bool
    owner: Element

    def said(self, name: str) -> str:
        """Return a name, or part of one, as the client wants names."""
        return quote(name) if self.asked.is_encoded else name


def listed(page: Page) -> Element:
    """Return a page's document."""
    asked = page.asked
    return element(
        _TAGS[asked.form],
        element("Name", page.bucket),
        element("Prefix", page.said(asked.prefix)),
        *_BEGINNINGS[asked.form](page),
        element("MaxKeys", asked.keys_max),
        element("Delimiter", page.said(asked.delimiter)) if asked.delimiter else None,
        element("EncodingType", "url") if asked.is_encoded else None,
        element("IsTruncated", page.is_truncated),
        *(_object(page, row) for row in page.rows if "name" in row),
        *(
            element("CommonPrefixes", element("Prefix", page.said(row["subdir"])))
            for row in page.rows
            if "name" not in row
        ),
    )


def _first(page: Page) -> Iterator[Element]:
    """Tell where a page of ListObjects begins; where the next one does, only its last key may tell."""
    yield element("Marker", page.said(page.asked.marker))
    if page.is_truncated and page.asked.delimiter:
        yield element("NextMarker", page.said(name_of(page.rows[-1])))


def _second(page: Page) -> Iterator[Element]:
    """Tell where a page of ListObjectsV2 begins, and the token of the next one."""
    asked = page.asked
    if asked.token is not None:
        yield element("ContinuationToken", asked.token)
    if page.is_truncated:
        yield element("NextContinuationToken", token_of(name_of(page.rows[-1])))
    if asked.start_after is not None:
        yield element("StartAfter", page.said(asked.start_after))
    yield element("KeyCount", len(page.rows))


def _versions(page: Page) -> Iterator[Element]:
    """Tell where a page of ListObjectVersions begins, and where the next one does."""
    yield element("KeyMarker", page.said(page.asked.marker))
    yield element("VersionIdMarker", page.asked.version_marker)
    if page.is_truncated:
        last = page.rows[-1]
        yield element("NextKeyMarker", page.said(name_of(last)))
        if "name" in last:
            yield element("NextVersionIdMarker", last.get("version_id") or NULL)


_BEGINNINGS = {Form.FIRST: _first, Form.SECOND: _second, Form.VERSIONS: _versions}


def _object(page: Page, row: Row) -> Element:
    """Return the element of an object or a version; written at once, as a page has a thousand of them."""
    is_version = page.asked.form is Form.VERSIONS
    tag, inside = "Contents", f"<Key>{escaped(page.said(row['name']))}</Key>"
    is_marker = is_version and row["content_type"] == DELETE_MARKER_TYPE
    if is_version:
        tag = "DeleteMarker" if is_marker else "Version"
        latest = "true" if row.get("is_latest", True) else "false"
        inside += (
            f"<VersionId>{escaped(row.get('version_id') or NULL)}</VersionId><IsLatest>{latest}</IsLatest>"
        )
    inside += f"<LastModified>{times.iso_of_listing(row['last_modified'])}</LastModified>"
    if not is_marker:
        inside += f"<ETag>{escaped(etag(row))}</ETag><Size>{int(row['bytes'])}</Size>"
    if page.asked.with_owner:
        inside += str(page.owner)
    if not is_marker:
        inside += "<StorageClass>STANDARD</StorageClass>"
    return Element(tag, "", inside)
