"""Where errors become faults, and what controllers share in reading requests.

controller ──▶ serve(routes, controller) ──▶ routes whose handlers answer 404, 409, 403, 503 for our own
errors
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from webob import Response

from ....common.errors import ApusError, Missing, Refused, Unavailable
from ...api import faults
from ...api.call import Call
from ...api.routing import Routes
from ...api.versions import Version
from ..quotas import OverQuota
from ..scheduling import NoValidHost
from ..states import WrongState
from ..views.server import Form

OLDEST = Version(2, 1)
NEWEST = Version(2, 96)
ROOT = "/v2.1"
OLD_ROOT = "/v2"


def serve(routes: Routes, owner: Any) -> None:
    """Add the methods of the controller that are marked as served."""
    for name in dir(type(owner)):
        for methods, template, open_to_all in getattr(getattr(type(owner), name), "serves", ()):
            routes.add(methods, template, translating(getattr(owner, name)), open_to_all=open_to_all)


def translating(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Return the handler with our errors as the faults that clients know."""

    @functools.wraps(handler)
    def handled(call: Call, **parts: str) -> Response:
        try:
            return handler(call, **parts)
        except faults.Fault:
            raise
        except Missing as problem:
            raise faults.NotFound(str(problem)) from problem
        except WrongState as problem:
            raise faults.Conflict(str(problem)) from problem
        except OverQuota as problem:
            raise faults.Forbidden(str(problem)) from problem
        except (NoValidHost, Refused) as problem:
            raise faults.BadRequest(str(problem)) from problem
        except Unavailable as problem:
            raise faults.Unavailable(str(problem)) from problem
        except ApusError as problem:
            raise faults.BadRequest(str(problem)) from problem

    return handled


def version_of(call: Call) -> Version:
    """Return the microversion that the request is in."""
    return call.version or OLDEST


def minor(call: Call) -> int:
    """Return the part of it behind the point."""
    return version_of(call).minor


def since(call: Call, number: int) -> None:
    """Refuse (404) what did not exist in an earlier microversion."""
    if minor(call) < number:
        raise faults.NotFound("The resource could not be found.")


def until(call: Call, number: int) -> None:
    """Refuse (404) what is gone in later microversions."""
    if minor(call) > number:
        raise faults.NotFound("The resource could not be found.")


def api_url(call: Call) -> str:
    """Return the API's own URL, with its /v2.1."""
    return call.base_url + ROOT


def form_of(call: Call) -> Form:
    """Return for whom a server is written."""
    return Form(version=version_of(call), is_admin=call.is_admin, base_url=api_url(call))


def scope_of(call: Call) -> str | None:
    """Return the project whose servers the caller may reach; None, all of them, for an administrator."""
    return None if call.is_admin else call.project_id


def text(document: dict[str, Any], name: str, *, longest: int = 255, default: str | None = None) -> str:
    """Return a member that must be a text of 1 … `longest` letters; the default where it is absent.

    Raises:
        BadRequest: it is anything else.
    """
    value = document.get(name, default)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise faults.BadRequest(
            f"Invalid input for field/attribute {name}. Value: {value!r}. Expected a text of 1 to {longest} "
            "characters."
        )
    return value


def whole(document: dict[str, Any], name: str, *, least: int = 0, default: int | None = None) -> int:
    """Return a member that must be a whole number, or the text of one.

    Raises:
        BadRequest: it is anything else, or less than `least`.
    """
    value = document.get(name, default)
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 0x7FFFFFFF:
        raise faults.BadRequest(
            f"Invalid input for field/attribute {name}. Value: {document.get(name)!r}. "
            f"Expected a whole number from {least}."
        )
    return value


def truth(document: dict[str, Any], name: str, *, default: bool) -> bool:
    """Return a member that must be true or false, or a word for it.

    Raises:
        BadRequest: it is anything else.
    """
    value = document.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in ("true", "1", "yes", "on", "t", "y"):
        return True
    if word in ("false", "0", "no", "off", "f", "n"):
        return False
    raise faults.BadRequest(
        f"Invalid input for field/attribute {name}. Value: {value!r}. Expected a boolean."
    )


def pairs(document: Any, *, most: int) -> dict[str, str]:
    """Return metadata: an object of texts of up to 255 letters, not more than `most` of them.

    Raises:
        BadRequest: it is anything else.
        Forbidden: it is too many.
    """
    if not isinstance(document, dict):
        raise faults.BadRequest("Metadata must be an object.")
    for key, value in document.items():
        if not key or len(key) > 255 or not isinstance(value, str) or len(value) > 255:
            raise faults.BadRequest(
                f"Invalid metadata: {key!r} = {value!r}; both must be texts of up to 255."
            )
    if most >= 0 and len(document) > most:
        raise faults.Forbidden(f"Maximum number of metadata items exceeds {most}")
    return dict(document)
