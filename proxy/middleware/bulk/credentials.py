"""What an inner request needs of the client's, where nobody has looked at it yet.

Bulk requests are taken apart before the filter that asks who somebody is: each part shows the same tokens.
"""

from __future__ import annotations

from ....common.http.wsgi import Environ

_TOKENS = {
    "HTTP_X_AUTH_TOKEN": "X-Auth-Token",
    "HTTP_X_STORAGE_TOKEN": "X-Storage-Token",
    "HTTP_X_SERVICE_TOKEN": "X-Service-Token",
}


def credentials(environ: Environ) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {name: environ[key] for key, name in _TOKENS.items() if key in environ}
