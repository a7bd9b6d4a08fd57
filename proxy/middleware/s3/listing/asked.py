"""What a client asks of a listing, read from its query.

    ?prefix&delimiter&max-keys&encoding-type   ──▶ Asked.of(query)
      &marker   &continuation-token|start-after   &key-marker&version-id-marker

Tokens are names in base64, as OpenStack Swift's s3api makes them: a client may follow pages from one to the
other. Where a page begins is all that differs between the three listings. Pure.
"""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import S3Error
from ..numbers import whole

KEYS_MAX = 2**31 - 1


class Form(enum.Enum):
    """Which listing is asked for."""

    FIRST = "ListObjects"
    SECOND = "ListObjectsV2"
    VERSIONS = "ListObjectVersions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A page of a listing; what is empty was not given."""

    form: Form
    prefix: str = ""
    delimiter: str = ""
    marker: str = ""
    """The name behind which the page begins."""
    version_marker: str = ""
    """Of a listing of versions: the id behind which it begins among the marker's versions."""
    token: str | None = None
    start_after: str | None = None
    """Shown again where it was said, even if it was empty."""
    keys_max: int = 1000
    is_encoded: bool = False
    with_owner: bool = True

    @classmethod
    def of(cls, query: Mapping[str, str], *, rows_max: int) -> Asked:
        """Read a query.

        Raises:
            S3Error: InvalidArgument, where it makes no sense.
        """
        for name in ("prefix", "delimiter", "marker", "start-after", "key-marker", "version-id-marker"):
            require_no_nul(query, name)
        encoding = query.get("encoding-type", "")
        if encoding not in ("", "url"):
            raise refusal("encoding-type", encoding, "Invalid Encoding Method specified in Request")
        delimiter = query.get("delimiter", "")
        if delimiter and query.get("allow-unordered") == "true":
            raise refusal("allow-unordered", "true", "An unordered listing has no delimiter.")
        form = _form(query)
        token = query.get("continuation-token") if form is Form.SECOND else None
        start_after = query.get("start-after") if form is Form.SECOND else None
        marker, version_marker = _versions_markers(query) if form is Form.VERSIONS else ("", "")
        if form is Form.FIRST:
            marker = query.get("marker", "")
        elif form is Form.SECOND:
            marker = (start_after or "") if token is None else name_of_token(token)
        return cls(
            form=form,
            prefix=query.get("prefix", ""),
            delimiter=delimiter,
            marker=marker,
            version_marker=version_marker,
            token=token,
            start_after=start_after,
            keys_max=min(_keys_max(query.get("max-keys", "")), rows_max),
            is_encoded=encoding == "url",
            with_owner=form is not Form.SECOND or query.get("fetch-owner") == "true",
        )


def require_no_nul(query: Mapping[str, str], name: str) -> None:
    """Refuse an argument with a NUL: no key has one, and the store keeps names with NUL to itself."""
    if "\0" in query.get(name, ""):
        raise refusal(name, query[name], "The argument has a NUL, which no key has.")


def refusal(name: str, value: str, sentence: str) -> S3Error:
    """Return why an argument is not taken."""
    return S3Error("InvalidArgument", sentence, ArgumentName=name, ArgumentValue=value)


def _form(query: Mapping[str, str]) -> Form:
    if "versions" in query:
        return Form.VERSIONS
    number = query.get("list-type", "")
    if number not in ("", "1", "2"):
        raise refusal("list-type", number, "Invalid List Type specified in Request")
    return Form.SECOND if number == "2" else Form.FIRST


def _versions_markers(query: Mapping[str, str]) -> tuple[str, str]:
    marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    if version_marker and not marker:
        sentence = "A version-id marker cannot be specified without a key marker."
        if "key-marker" in query:
            sentence = "Invalid version id specified"
        raise refusal("version-id-marker", version_marker, sentence)
    return marker, version_marker


def _keys_max(text: str) -> int:
    if not text:
        return KEYS_MAX
    if not (text.isascii() and text.isdigit()):
        raise refusal("max-keys", text, "Provided max-keys not an integer or within integer range")
    number = whole(text, most=KEYS_MAX)
    if number is None:
        sentence = f"Argument maxKeys must be an integer between 0 and {KEYS_MAX}"
        raise refusal("max-keys", text, sentence)
    return number


def token_of(name: str) -> str:
    """Return the token of a page that begins behind a name."""
    return base64.b64encode(name.encode()).decode()


def name_of_token(token: str) -> str:
    """Return the name that a token stands for.

    Raises:
        S3Error: InvalidArgument for what is none, as an empty one is.
    """
    try:
        name = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        name = ""
    if not name or "\0" in name:
        raise refusal("continuation-token", token, "The continuation token provided is incorrect")
    return name
