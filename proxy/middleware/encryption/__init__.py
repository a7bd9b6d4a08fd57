"""At-rest encryption: bodies, ETags and users' metadata of objects lie encrypted on the disks.

    client ──▶ keymaster ──▶ Encryption ──▶ decrypter.py ──▶ encrypter.py ──▶ proxy

Names, sizes, types and all that concerns containers and accounts stay in the open. It stands right before the
proxy, so that no other filter sees anything encrypted. What is stored is stock Swift's, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ....common import info
from ....common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ....common.config import parse, setting, true_value
from ....common.http.wsgi import Environ, StartResponse, WSGIApp
from .decrypter import Decrypter
from .encrypter import Encrypter

OVERRIDE = "swift.crypto.override"
"""Where a filter or daemon wants to move what is stored as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionConfig:
    """Settings of the encryption filter."""

    disable_encryption: bool = setting(
        False,  # noqa: FBT003 - every setting gives its default first
        help="Store new objects in the open. What is encrypted is decrypted all the same: to turn encryption "
        "off, set this and leave the filter and its keymaster in the pipeline.",
    )


class Encryption:
    """Passes on to the decrypter what comes out of the store, and to the encrypter what goes into it."""

    def __init__(self, app: WSGIApp, encrypter: Encrypter, decrypter: Decrypter) -> None:
        self.app = app
        self._encrypter = encrypter
        self._decrypter = decrypter

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        pieces = environ["PATH_INFO"].split("/", 4)  # Nothing, version, account, container, object.
        if len(pieces) < 4 or not pieces[3] or _is_overridden(environ):
            return self.app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if len(pieces) == 5 and pieces[4]:
            if method in ("GET", "HEAD"):
                return self._decrypter.object(environ, start_response)
            return self._encrypter(environ, start_response)
        if method == "GET":
            return self._decrypter.listing(environ, start_response)
        return self.app(environ, start_response)


def _is_overridden(environ: Environ) -> bool:
    return OVERRIDE in environ and true_value(str(environ[OVERRIDE]))


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Encryption]:
    """PasteDeploy's entry: `use = egg:apus#encryption`."""
    options = {**global_conf, **local_conf}
    config = parse(EncryptionConfig, options)
    limits = ClusterConf.load(options.get("swift_dir", DEFAULT_DIRECTORY)).constraints
    info.register_admin("encryption", enabled=not config.disable_encryption)

    def encryption(app: WSGIApp) -> Encryption:
        encrypter = Encrypter(app, limits, is_writing=not config.disable_encryption)
        return Encryption(app, encrypter, Decrypter(encrypter))

    return encryption
