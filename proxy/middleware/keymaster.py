"""Where encryption's keys come from: a root secret, and the path of what is encrypted.

    root secret ──HMAC-SHA256 over "/account/container/object"──▶ key of that object
    environ["swift.callback.fetch_crypto_keys"] ──▶ Keyring.fetch(key_id) ──▶ Keys

A key id is kept with everything that is encrypted: it names path and secret, so that what an earlier secret
encrypted stays readable as long as that secret is configured. Derivation, key ids and the callback are stock
Swift's: a keymaster of somebody else's can stand in this one's place, or further left beside it. It does not
know what its keys are used for, and never writes a key or secret to a log.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from ...common.config import parse, read_ini, setting
from ...common.errors import ApusError, Refused
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, to_wsgi

FETCH_KEYS = "swift.callback.fetch_crypto_keys"
SECRET_OPTION = "encryption_root_secret"  # noqa: S105 - the name of an option
ACTIVE_OPTION = "active_root_secret_id"
SECTION = "keymaster"
SECRET_BYTES_MIN = 32
VERSIONS = ("1", "2", "3")
METHODS = frozenset(("PUT", "POST", "GET", "HEAD", "DELETE"))  # A DELETE's condition names an ETag.

KeyId = dict[str, str]
"""What is kept to find keys again; who uses the keys is not to look into it."""


class Keys(TypedDict):
    """What a keymaster hands out; a dictionary, as other people's keymasters hand it out too."""

    id: KeyId
    all_ids: list[KeyId]
    container: NotRequired[bytes]
    object: NotRequired[bytes]


FetchKeys = Callable[..., Keys]


class UnknownSecret(ApusError):
    """Something was encrypted with a root secret that is not configured here."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a request or a key id is about, as text."""

    account: str
    container: str | None = None
    name: str | None = None

    @classmethod
    def of(cls, path: str) -> Place:
        """Return what `/account/container/object` names."""
        pieces: list[str | None] = [*path.split("/", 3)[1:]]
        assert pieces[0] is not None
        return cls(pieces[0], *pieces[1:])

    @property
    def path(self) -> str:
        """Return it as a path."""
        return "/" + "/".join(piece for piece in (self.account, self.container, self.name) if piece)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The root secrets by their ids; None is the id of the one without a name."""

    by_id: Mapping[str | None, bytes] = field(repr=False)
    active: str | None = None
    version: str = "2"
    """How new key ids are written."""

    def key(self, path: str, secret_id: str | None) -> bytes:
        """Return the key of a path."""
        return hmac.digest(self.by_id[secret_id], path.encode("utf-8", "surrogateescape"), "sha256")

    def key_id(self, path: str, secret_id: str | None, version: str) -> KeyId:
        """Return what finds that key again; versions 1 and 2 spell the path's UTF-8 as latin-1."""
        named = {} if secret_id is None else {"secret_id": secret_id}
        return {"v": version, "path": path if version == "3" else to_wsgi(path), **named}


class Keyring:
    """The keys of one request."""

    __slots__ = ("_elsewhere", "_known", "_place", "_secrets")

    def __init__(self, secrets: Secrets, place: Place, elsewhere: FetchKeys | None = None) -> None:
        self._secrets = secrets
        self._place = place
        self._elsewhere = elsewhere
        self._known: dict[tuple[str, str | None, str], Keys] = {}

    def fetch(self, key_id: KeyId | None = None) -> Keys:
        """Return the keys to encrypt with, or those that a key id names.

        Raises:
            UnknownSecret: when no keymaster of the pipeline has the secret.
            ValueError: for a key id that is none.
        """
        secrets, place = self._secrets, self._place
        version, secret_id = secrets.version, secrets.active
        if key_id:
            version, secret_id = key_id.get("v", ""), key_id.get("secret_id")
            place = place_of(key_id, self._place)
        if secret_id not in secrets.by_id:
            if self._elsewhere is None:
                raise UnknownSecret(f"no root secret {secret_id!r} is configured")
            return self._elsewhere(key_id=key_id)
        object_path = self._object_path(place, version)
        container_path = Place(place.account, place.container).path
        wanted = (object_path or container_path, secret_id, version)
        keys = self._known.get(wanted)
        if keys is None:
            keys = self._known[wanted] = self._derived(container_path, object_path, secret_id, version)
        return keys

    def _object_path(self, place: Place, version: str) -> str | None:
        if self._place.name is None or place.name is None:
            return None
        return place.name if version == "1" and place.name.startswith("/") else place.path

    def _derived(
        self, container_path: str, object_path: str | None, secret_id: str | None, version: str
    ) -> Keys:
        secrets, path = self._secrets, object_path or container_path
        ids = [
            secrets.key_id(path, each, version) for each in sorted(secrets.by_id, key=lambda id_: id_ or "")
        ]
        if self._elsewhere is not None:
            ids += self._elsewhere(key_id=None).get("all_ids", [])
        keys = Keys(id=secrets.key_id(path, secret_id, version), all_ids=ids)
        if self._place.container is not None:
            keys["container"] = secrets.key(container_path, secret_id)
        if object_path is not None:
            keys["object"] = secrets.key(object_path, secret_id)
        return keys


def place_of(key_id: KeyId, request: Place) -> Place:
    """Return whose key an id names, for a request about `request`.

    Earlier versions of Swift have written wrong paths: version 1 only the object's name where that begins
    with a slash, and 1 and 2 sometimes text that had been encoded twice.

    Raises:
        ValueError: for an id of no known form.
    """
    version, path = key_id.get("v"), key_id.get("path")
    if version not in VERSIONS or not isinstance(path, str) or not path.startswith("/"):
        raise ValueError(f"unknown form of a key id: {key_id}")
    spelled = f"/{request.account}/"
    if version == "1" and not path.startswith((spelled, to_wsgi(spelled))):
        written = Place(request.account, request.container, path)
    else:
        written = Place.of(path)
    if version == "3" or _is_same(written, request):
        return written
    decoded = _decoded(written)
    if decoded is None:
        return written
    is_listing = request.name is None and (decoded.account, decoded.container) == (
        request.account,
        request.container or written.container,
    )
    return decoded if is_listing or _is_same(decoded, request) else written


def _is_same(written: Place, request: Place) -> bool:
    return written == Place(
        request.account, request.container or written.container, request.name or written.name
    )


def _decoded(written: Place) -> Place | None:
    try:
        return Place.of(written.path.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeymasterConfig:
    """Settings of the keymaster filter; without a root secret it refuses to start."""

    encryption_root_secret: str = setting(
        "",
        help="The secret that all keys are made of: base64 of at least 32 random bytes, as `openssl rand "
        "-base64 32` prints. The same on all proxies. Whoever loses it has lost all that is encrypted. Never "
        "change it: to rotate, add encryption_root_secret_NAME on all proxies, restart them, and only then "
        "make it the active one.",
    )
    active_root_secret_id: str = setting(
        "",
        help="NAME of the secret encryption_root_secret_NAME that new data is encrypted with; empty: the one "
        "without a name. The others stay, for what they have encrypted.",
    )
    keymaster_config_path: str = setting(
        "",
        help="A file whose section [keymaster] has these options instead, so that fewer people need read the "
        "secrets.",
    )
    meta_version_to_write: str = setting(
        "2",
        choices=VERSIONS,
        help="The form of key ids; 3 once no proxy is older than Swift 2.28, 2 is understood by all later "
        "than 2.24.",
    )


def secrets_of(options: Mapping[str, str], source: str) -> Secrets:
    """Return the root secrets of a section.

    Raises:
        Refused: naming the option that is wrong; never its value.
    """
    config = parse(KeymasterConfig, options)
    by_id = dict(_named_secrets(options, source))
    active = config.active_root_secret_id or None
    if active not in by_id:
        missing = f"{SECRET_OPTION}_{active}" if active else SECRET_OPTION
        raise Refused(f"{source} lacks {missing}, which the keymaster is to encrypt with")
    return Secrets(by_id, active, config.meta_version_to_write)


def _named_secrets(options: Mapping[str, str], source: str) -> Iterable[tuple[str | None, bytes]]:
    for option, value in options.items():
        if not option.startswith(SECRET_OPTION):
            continue
        underscore, name = option[len(SECRET_OPTION) :][:1], option[len(SECRET_OPTION) + 1 :]
        if underscore and (underscore != "_" or not name):
            raise Refused(f"{source}: {option} should be {SECRET_OPTION} or {SECRET_OPTION}_NAME")
        try:
            secret = base64.b64decode("".join(value.splitlines()), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) < SECRET_BYTES_MIN:
            raise Refused(
                f"{source}: {option} must be a base64 encoding of at least {SECRET_BYTES_MIN} raw bytes"
            )
        yield name or None, secret


class Keymaster:
    """Offers keys to the filters behind it."""

    def __init__(self, app: WSGIApp, secrets: Secrets) -> None:
        self.app = app
        self._secrets = secrets

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] in METHODS:
            pieces = environ["PATH_INFO"].split("/", 4)[1:]  # Version, account, container, object.
            if len(pieces) > 1 and pieces[1]:
                place = Place(*(from_wsgi(piece) or None for piece in pieces[1:]))  # type: ignore[arg-type]  # checked
                environ[FETCH_KEYS] = Keyring(self._secrets, place, environ.get(FETCH_KEYS)).fetch
        return self.app(environ, start_response)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Keymaster]:
    """PasteDeploy's entry: `use = egg:apus#keymaster`."""
    options, source = {**global_conf, **local_conf}, "proxy-server.conf"
    path = options.get("keymaster_config_path")
    if path:
        wrong = [name for name in options if name.startswith(SECRET_OPTION) or name == ACTIVE_OPTION]
        if wrong:
            others = ", ".join(wrong)
            raise Refused(
                f"keymaster_config_path is set, but there are other config options specified: {others}"
            )
        options, source = read_ini(path).get(SECTION, {}), path
    secrets = secrets_of(options, source)
    return lambda app: Keymaster(app, secrets)
