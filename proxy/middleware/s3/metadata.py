"""What an object says of itself: in S3's headers, and in the store's.

    client's upload ──stored()──▶ X-Object-Meta-*, X-Object-Sysmeta-S3api-*     (keys of the environ)
    store's answer  ──shown()───▶ x-amz-meta-*, ETag in quotes, x-amz-version-id; and facts that are not shown

Values of metadata are kept as the bytes that came, so that either API reads what the other one wrote; S3
shows those that are not ASCII as RFC 2047 says. Names with underscores are kept as stock Swift keeps them.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.header import Header
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from ....common.config import true_value
from ....common.http.wsgi import Environ
from .configuration import locks
from .errors import S3Error
from .sieve import Sieve

Headers = dict[str, str]

SYSMETA = "x-object-sysmeta-s3api-"
TRANSIENT = "x-object-transient-sysmeta-s3api-"
ETAG = SYSMETA + "etag"
"""The ETag of a multipart upload, which is not the one of its manifest; stock's name."""
STORAGE_CLASS = SYSMETA + "storage-class"
REDIRECT = SYSMETA + "website-redirect-location"
TAGS = TRANSIENT + "tagging"
"""A POST replaces it, which is how tags change after the upload."""
LARGE = "x-static-large-object"
VERSION = "x-amz-version-id"
BYTES_MAX = 2048
"""Names and values of a client's metadata together, as AWS counts."""
PIECE_BYTES_MAX = 256
"""What the store takes as one value, if nobody has configured more; a longer one is kept in pieces."""
CLASSES = frozenset(
    ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
)
"""Classes whose objects can be read at once, as ours can; clients would wait for those of the others."""
DEFAULT_TYPE = "binary/octet-stream"
_META = "HTTP_X_AMZ_META_"
_GUARDED = ("HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_LOCK_", "HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_ACL")
"""What guards have put there of an object's retention and its access list."""
_META_SHOWN = "x-amz-meta-"
_SPENT_PREFIXES = ("HTTP_X_AMZ_", "HTTP_AMZ_SDK_")
_SPENT = frozenset(("HTTP_AUTHORIZATION", "HTTP_CONTENT_MD5", "HTTP_DATE"))
_metas = Sieve(lambda key: key.startswith(_META))
_guarded = Sieve(lambda key: key.startswith(_GUARDED))
_spent = Sieve(lambda key: key in _SPENT or key.startswith(_SPENT_PREFIXES))
_signed_names = re.compile(r"(?:SignedHeaders|X-Amz-SignedHeaders)=([^,&\s]+)").search

_TITLES = {
    name.lower(): name
    for name in (
        "Accept-Ranges",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "ETag",
        "Expires",
        "Last-Modified",
        "Vary",
        "X-Robots-Tag",
    )
} | {
    "x-object-version-id": VERSION,
    "x-parts-count": "x-amz-mp-parts-count",
    "x-delete-at": "x-amz-expiration",
}
_FACTS = frozenset(
    (
        LARGE,
        "x-backend-content-type",
        "x-backend-crypto-cipher",
        "x-object-current-version-id",
        "x-object-manifest",
        "x-manifest-etag",
        "x-backend-timestamp",
        "x-timestamp",
    )
)
_SILENT = frozenset(("x-backend-timestamp", "x-timestamp"))
"""Facts of every object, which mean nothing to S3."""
_OVERRIDABLE = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_is_further_piece = re.compile(r"=[2-9]\Z").search
_PIECES_MAX = 9
_BLANKS = " \t"
_LETTER_BYTES_MAX = 4
_uncarried = re.compile(r"[\x00-\x1f\x7f]").search


# --- what is stored --------------------------------------------------------------------------------


def stored(environ: Mapping[str, Any]) -> Headers:
    """Return what the store is to keep of an upload's S3 headers, as keys of the environ.

    Raises:
        S3Error: for what cannot be kept.
    """
    kept = user_metadata(environ)
    for key in _guarded.among(environ):
        kept[key] = environ[key]
    for key, name, check in _KEPT:
        value = environ.get(key)
        if value is not None and (value := check(value)):
            kept[name] = value
    return kept


def user_metadata(environ: Mapping[str, Any]) -> Headers:
    """Return a client's own metadata, as keys of the environ.

    WSGI knows no underscores in names of headers; the list of what was signed has kept them, and the store
    knows them as `=5f`.
    """
    found = _metas.among(environ)
    if not found:
        return {}
    spelt = _spelt_with_underscores(environ)
    kept, size = {}, 0
    for key in found:
        name, value = key[len(_META) :], environ[key]
        size += len(name) + len(value)
        if not name:
            continue
        name = spelt.get(name, name)
        if len(value) <= PIECE_BYTES_MAX:
            kept["HTTP_X_OBJECT_META_" + name] = value
        else:
            kept.update(_in_pieces("HTTP_X_OBJECT_META_" + name, value))
    if size > BYTES_MAX:
        raise S3Error("MetadataTooLarge", Size=size, MaxSizeAllowed=BYTES_MAX)
    return kept


def _in_pieces(key: str, value: str) -> Headers:
    """Return a long value as several: NAME, NAME=2, NAME=3, and so on."""
    kept, at = {key: ""}, 0
    for number in range(1, _PIECES_MAX + 1):
        end = _cut(value, at)
        kept[key if number == 1 else f"{key}={number}"] = value[at:end]
        at = end
        if at == len(value):
            return kept
    raise S3Error("MetadataTooLarge", Size=len(value), MaxSizeAllowed=BYTES_MAX)


def _cut(value: str, begin: int) -> int:
    """Return where a piece that begins there ends: at no blank, which the wire loses, and in no letter."""
    most = begin + PIECE_BYTES_MAX
    if len(value) <= most:
        return len(value)
    ends = [
        end for end in range(most, begin, -1) if value[end - 1] not in _BLANKS and value[end] not in _BLANKS
    ]
    if not ends:
        raise S3Error("MetadataTooLarge", "A value of metadata has too many blanks to be kept in pieces.")
    return next((end for end in ends[:_LETTER_BYTES_MAX] if not "\x80" <= value[end] <= "\xbf"), ends[0])


def _spelt_with_underscores(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of metadata that have underscores, by how WSGI spells them."""
    for text in (environ.get("HTTP_AUTHORIZATION"), environ.get("QUERY_STRING")):
        signed = _signed_names(text) if text else None
        if signed is not None:
            names = signed[1].replace("%3B", ";").replace("%3b", ";").split(";")
            metas = [name[len(_META_SHOWN) :].upper() for name in names if name.startswith(_META_SHOWN)]
            return {n.replace("-", "_"): n.replace("_", "=5F").replace("-", "_") for n in metas if "_" in n}
    return {}


def storage_class(name: str) -> str:
    """Return what is to be remembered of a storage class; nothing of the usual one."""
    if name not in CLASSES:
        raise S3Error("InvalidStorageClass", StorageClassRequested=name)
    return "" if name == "STANDARD" else name


def _redirect(location: str) -> str:
    if not location.startswith(("/", "http://", "https://")):
        raise S3Error(
            "InvalidArgument",
            "The website redirect location must begin with '/', 'http://' or 'https://'.",
            ArgumentName="x-amz-website-redirect-location",
            ArgumentValue=location,
        )
    return location


_KEPT = (
    ("HTTP_X_AMZ_STORAGE_CLASS", "HTTP_X_OBJECT_SYSMETA_S3API_STORAGE_CLASS", storage_class),
    (
        "HTTP_X_AMZ_WEBSITE_REDIRECT_LOCATION",
        "HTTP_X_OBJECT_SYSMETA_S3API_WEBSITE_REDIRECT_LOCATION",
        _redirect,
    ),
)


def drop_spent(environ: Environ) -> None:
    """Take out of an upload the headers that were S3's alone and have had their effect."""
    for key in _spent.among(environ):
        del environ[key]


# --- what is shown ---------------------------------------------------------------------------------


def shown(headers: Iterable[tuple[str, str]]) -> tuple[Headers, Headers]:
    """Return an answer's headers as S3 has them, and the facts behind them by names in lower case."""
    said: Headers = {}
    facts: Headers = {}
    place = _place_of
    for name, value in headers:
        title, fact = place(name)
        if title:
            said[title] = value
        elif fact:
            facts[fact] = value
    etag = said.get("ETag")
    if etag is not None:
        said["ETag"] = f'"{etag_of(etag, facts)}"'
    tells = not is_plain(facts)
    if tells:
        _join_pieces(said, facts)
    if not "".join(said.values()).isascii():
        _encode(said)
    if tells or "x-amz-expiration" in said:
        _add_facts(said, facts)
    return said, facts


def is_plain(facts: Mapping[str, str]) -> bool:
    """Tell whether facts say no more than that there is an object."""
    return facts.keys() <= _SILENT


@lru_cache(maxsize=1024)  # Names of metadata are the clients' invention.
def _place_of(name: str) -> tuple[str, str]:
    """Return under which name a header is shown, or which fact it is."""
    lower = name.encode("latin-1").lower().decode("latin-1")
    title, fact = _TITLES.get(lower, ""), ""
    if lower.startswith("x-object-meta-"):
        title = _META_SHOWN + lower[len("x-object-meta-") :].replace("=5f", "_")
        if _is_further_piece(title):
            title, fact = "", lower
    elif lower.startswith("access-control-"):
        title = name
    elif lower in _FACTS or lower.startswith((SYSMETA, TRANSIENT)):
        fact = lower
    return title, fact


def etag_of(etag: str, facts: Mapping[str, str]) -> str:
    """Return an object's ETag in S3, without quotes.

    Of a large object that the other API has made the number of parts is not known; programs look for the
    dash, to see that it is no MD5.
    """
    etag = etag.strip('"')
    multipart = facts.get(ETAG)
    if multipart:
        return multipart
    return f"{etag}-N" if is_large(facts) and not etag.endswith("-N") else etag


def is_large(facts: Mapping[str, str]) -> bool:
    """Whether the object is made of segments that a manifest names."""
    return LARGE in facts and true_value(facts[LARGE])


def _add_facts(said: Headers, facts: Mapping[str, str]) -> None:
    """Say what S3 makes of the facts."""
    if "x-amz-expiration" in said:
        moment = said.pop("x-amz-expiration")
        if moment.isdigit():
            date = formatdate(int(moment), usegmt=True)
            said["x-amz-expiration"] = f'expiry-date="{date}", rule-id="swift-object-expiration"'
    if facts.get("x-backend-crypto-cipher") == "AES_CTR_256":
        said["x-amz-server-side-encryption"] = "AES256"
    if STORAGE_CLASS in facts:
        said["x-amz-storage-class"] = facts[STORAGE_CLASS]
    if REDIRECT in facts:
        said["x-amz-website-redirect-location"] = facts[REDIRECT]
    for fact, title in locks.SHOWN.items():
        if facts.get(fact):
            said[title] = facts[fact]
    if facts.get(TAGS):
        said["x-amz-tagging-count"] = str(facts[TAGS].count("&") + 1)


def _join_pieces(said: Headers, facts: Mapping[str, str]) -> None:
    """Say values whole that are kept in pieces; one that lacks its first piece is nobody's."""
    pieces = [fact for fact in facts if fact.startswith("x-object-meta-")]
    for piece in sorted(pieces):
        title = _META_SHOWN + piece[len("x-object-meta-") : -2].replace("=5f", "_")
        if title in said:
            said[title] += facts[piece]


def _encode(said: Headers) -> None:
    """Say metadata in ASCII, as RFC 2047 does."""
    for name, value in said.items():
        if name.startswith(_META_SHOWN) and not value.isascii():
            said[name] = encoded_word(value)


def encoded_word(value: str) -> str:
    """Return a WSGI string as one RFC 2047 word: of UTF-8, or of Latin-1 where it is not that."""
    raw = value.encode("latin-1")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = value
    word = Header(text, "utf-8", maxlinelen=10 * len(text) + 100).encode(maxlinelen=0)
    return word.replace("=?utf-8?q?", "=?UTF-8?Q?").replace("=?utf-8?b?", "=?UTF-8?B?")


def overridden(said: Headers, query: Mapping[str, str]) -> None:
    """Say what the client has asked to be said instead (`response-content-type` and its kin).

    Raises:
        S3Error: for what no header can carry.
    """
    for name in _OVERRIDABLE:
        value = query.get(f"response-{name}")
        if value is None:
            continue
        if _uncarried(value):
            raise S3Error(
                "InvalidArgument", ArgumentName=f"response-{name}", ArgumentValue=ascii(value)[1:-1]
            )
        said[_TITLES[name]] = value.encode("utf-8", "surrogateescape").decode("latin-1")
