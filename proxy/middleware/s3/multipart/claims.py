"""Who is finishing an upload: one at a time.

    take() ──▶ KEY/UPLOAD_ID/0, if nobody has written that ──▶ Claim ──renew(), require()──▶ … ──release()
                  └ somebody has, and not long ago: None

Completing an upload twice at the same time would make two versions of the same parts, and whoever removed one
would break the other; aborting it meanwhile would take the parts from under the object. The claim of somebody
who died is void after LEASE_SECONDS. It is as exclusive as the store's `If-None-Match: *` is, and looked at
again before it counts.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from ..errors import S3Error
from ..metadata import SYSMETA
from ..request import Request
from .names import Upload

LEASE_SECONDS = 60.0
_RENEWAL_SECONDS = LEASE_SECONDS / 4
_TOKEN = SYSMETA + "claim"
_KIND = "application/octet-stream"


class Claim:
    """The right to finish an upload."""

    def __init__(self, request: Request, upload: Upload) -> None:
        self._request = request
        self._upload = upload
        self.token = secrets.token_hex(16)
        self._said_at = time.monotonic()

    def say(self, *, only_if_free: bool) -> bool:
        """Write the claim down; False when there is another one."""
        headers = {_TOKEN: self.token, "content-type": _KIND}
        if only_if_free:
            headers["If-None-Match"] = "*"
        said_at = time.monotonic()
        reply = self._request.ask("PUT", self._upload.container, self._upload.claim, headers=headers)
        reply.close()
        if reply.is_good:
            self._said_at = said_at
            return True
        if reply.status in (409, 412):
            return False
        raise S3Error("AccessDenied" if reply.status in (401, 403) else "ServiceUnavailable")

    def renew(self) -> None:
        """Say it again when it is about to be void; to be called now and then.

        Raises:
            S3Error: when somebody else has it meanwhile.
        """
        if time.monotonic() - self._said_at > _RENEWAL_SECONDS:
            self.require()
            self.say(only_if_free=False)

    def require(self) -> None:
        """Raise OperationAborted when it is void, or somebody else's."""
        if time.monotonic() - self._said_at > LEASE_SECONDS / 2 or not self.holds():
            raise S3Error("OperationAborted")

    def holds(self) -> bool:
        """Tell whether it is this claim that is written down."""
        return _written(self._request, self._upload)[0] == self.token

    def release(self) -> None:
        """Let others have it."""
        forget(self._request, self._upload)


def take(request: Request, upload: Upload) -> Claim | None:
    """Return the claim on an upload, to be required before what cannot be undone; None if another is valid.

    Raises:
        S3Error: when that cannot be found out.
    """
    claim = Claim(request, upload)
    if not claim.say(only_if_free=True):
        token, seconds = _written(request, upload)
        if token != claim.token and seconds < LEASE_SECONDS:
            return None
        if token != claim.token and not claim.say(only_if_free=False):
            return None
    return claim


def forget(request: Request, upload: Upload) -> None:
    """Remove what is written down of claims on an upload."""
    request.ask("DELETE", upload.container, upload.claim).close()


def is_held(request: Request, upload: Upload) -> bool:
    """Tell whether somebody is finishing an upload now."""
    token, seconds = _written(request, upload)
    return token is not None and seconds < LEASE_SECONDS


def is_one(headers: Mapping[str, str]) -> bool:
    """Tell whether an object with these headers is a claim."""
    return _TOKEN in headers


def _written(request: Request, upload: Upload) -> tuple[str | None, float]:
    """Return whose claim is written down, and how many seconds ago that was."""
    reply = request.ask("HEAD", upload.container, upload.claim, headers={"X-Newest": "true"}, trusted=True)
    reply.close()
    if reply.status == 404:
        return None, 0.0  # It was released meanwhile; whoever tries again may have it.
    if not reply.is_good:
        raise S3Error("ServiceUnavailable")
    return reply.headers.get(_TOKEN), time.time() - float(reply.headers["x-timestamp"])
