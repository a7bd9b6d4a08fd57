"""Which headers of a client's request the storage servers get.

    environ ──▶ for_reading()    conditions and ranges of a GET or HEAD
           ──▶ for_object()      everything a PUT or POST may store
           ──▶ for_container()   metadata that a container or account may keep

Credentials and connection matters stop here, and so do the headers by which a storage server is
told whom to contact: those are the proxy's to write, or a client could aim our servers at any address.
"""

from __future__ import annotations

from typing import Final

from ..common.http.request import title
from ..common.http.wsgi import Environ
from .call import Call

_STOPPED_NAMES: Final = """
    HOST CONNECTION KEEP_ALIVE TRANSFER_ENCODING TE TRAILER UPGRADE EXPECT ACCEPT ACCEPT_ENCODING
    ACCEPT_LANGUAGE COOKIE AUTHORIZATION PROXY_AUTHORIZATION X_AUTH_TOKEN X_STORAGE_TOKEN X_SERVICE_TOKEN
    USER_AGENT REFERER CONTENT_LENGTH CONTENT_TYPE ORIGIN X_TIMESTAMP X_TRANS_ID X_CONTAINER_HOST
    X_CONTAINER_DEVICE X_CONTAINER_PARTITION X_ACCOUNT_HOST X_ACCOUNT_DEVICE X_ACCOUNT_PARTITION
    X_DELETE_AT_HOST X_DELETE_AT_DEVICE X_DELETE_AT_PARTITION X_DELETE_AT_CONTAINER
    X_CONTAINER_ROOT_DB_STATE X_DELETE_AFTER X_DETECT_CONTENT_TYPE
"""
STOPPED: Final = frozenset(f"HTTP_{name}" for name in _STOPPED_NAMES.split())
READING: Final = frozenset(
    (
        "HTTP_RANGE",
        "HTTP_IF_MATCH",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_IF_UNMODIFIED_SINCE",
        "HTTP_IF_RANGE",
        "HTTP_X_NEWEST",
    )
)
KNOWN_MAX: Final = 1024
"""Keys of environs that are remembered; clients choose header names, and the memos must not follow them."""
_unread: Final[set[str]] = set()
_stopped: Final[set[str]] = set()
CONTAINER_HEADERS: Final = frozenset(
    (
        "HTTP_X_CONTAINER_READ",
        "HTTP_X_CONTAINER_WRITE",
        "HTTP_X_CONTAINER_SYNC_KEY",
        "HTTP_X_CONTAINER_SYNC_TO",
        "HTTP_X_VERSIONS_LOCATION",
    )
)
CONTAINER_REMOVALS: Final = {
    "HTTP_X_REMOVE_CONTAINER_READ": "X-Container-Read",
    "HTTP_X_REMOVE_CONTAINER_WRITE": "X-Container-Write",
    "HTTP_X_REMOVE_CONTAINER_SYNC_KEY": "X-Container-Sync-Key",
    "HTTP_X_REMOVE_CONTAINER_SYNC_TO": "X-Container-Sync-To",
    "HTTP_X_REMOVE_VERSIONS_LOCATION": "X-Versions-Location",
}


def common(call: Call, user_agent: str) -> dict[str, str]:
    """Return what every request to a storage server carries."""
    return {
        "X-Timestamp": call.timestamp.internal,
        "X-Trans-Id": call.trans_id,
        "User-Agent": user_agent,
    }


def for_reading(call: Call, user_agent: str) -> dict[str, str]:
    """Return the headers of a GET or HEAD."""
    headers = common(call, user_agent)
    environ = call.environ
    if not _unread.issuperset(environ):
        for key, value in environ.items():
            if key in READING or key.startswith("HTTP_X_BACKEND_"):
                headers[title(key)] = value
            elif len(_unread) < KNOWN_MAX:
                _unread.add(key)
    return headers


def for_object(call: Call, user_agent: str) -> dict[str, str]:
    """Return the headers of an object PUT, POST or DELETE, without those of its body."""
    headers = common(call, user_agent)
    environ = call.environ
    if not _stopped.issuperset(environ):
        for key in [key for key in environ if key not in _stopped]:
            if key.startswith("HTTP_") and key not in STOPPED:
                headers[title(key)] = environ[key]
            elif len(_stopped) < KNOWN_MAX:
                _stopped.add(key)
    return headers


def for_account(call: Call, user_agent: str) -> dict[str, str]:
    """Return the headers of an account PUT, POST or DELETE."""
    return {**_metadata(call.environ, "ACCOUNT"), **common(call, user_agent)}


def for_container(call: Call, user_agent: str) -> dict[str, str]:
    """Return the headers of a container PUT, POST or DELETE."""
    headers = _metadata(call.environ, "CONTAINER")
    for key, name in CONTAINER_REMOVALS.items():
        if key in call.environ:
            headers[name] = ""
    for key in CONTAINER_HEADERS:
        if key in call.environ:
            headers[title(key)] = call.environ[key]
    return {**headers, **common(call, user_agent)}


def _metadata(environ: Environ, kind: str) -> dict[str, str]:
    """Return metadata to set, and with an empty value what X-Remove-* names."""
    removal = f"HTTP_X_REMOVE_{kind}_META_"
    kept = (f"HTTP_X_{kind}_META_", f"HTTP_X_{kind}_SYSMETA_", "HTTP_X_BACKEND_")
    headers: dict[str, str] = {}
    for key, value in environ.items():
        if key.startswith(removal):
            headers.setdefault(title(key.replace("_REMOVE", "", 1)), "")
        elif key.startswith(kept):
            headers[title(key)] = value
    return headers
