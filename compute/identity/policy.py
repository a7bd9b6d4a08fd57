"""Who may do what with people, places and roles: decisions about values; what is not allowed here is refused.

    role, scope of the token                    may admin on a project or on the system         everything
    admin on a domain                           change what belongs to the domain; give roles of a short
    list there reader on the system, or on a domain        see everything, or what belongs to the domain
    service                                     ask whether a token is good; fetch S3's secrets anybody see
    themselves; change their password; keep credentials of their own

OpenStack takes the role admin on whatever project for the right to administer everything, and so do its
clients and tests; hence only who administers everything can give that role.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ...common.identity import Identity
from ..api.faults import Forbidden

ADMIN = "admin"
READER = "reader"
SERVICE = "service"


def administers_all(who: Identity) -> bool:
    """Whether somebody may do everything."""
    return ADMIN in who.roles and (who.project_id is not None or who.system_scope)


def administers(who: Identity, domain_id: str | None) -> bool:
    """Whether somebody may change what belongs to a domain; None: to the installation."""
    if administers_all(who):
        return True
    return domain_id is not None and ADMIN in who.roles and who.domain_id == domain_id


def sees_all(who: Identity) -> bool:
    """Whether somebody may see everything."""
    return administers_all(who) or (who.system_scope and READER in who.roles)


def sees(who: Identity, domain_id: str | None) -> bool:
    """Whether somebody may see what belongs to a domain; None: to the installation."""
    if sees_all(who):
        return True
    return domain_id is not None and who.domain_id == domain_id and not {ADMIN, READER}.isdisjoint(who.roles)


def serves(who: Identity) -> bool:
    """Whether it is a service of the cloud."""
    return SERVICE in who.roles or administers_all(who)


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a list somebody sees: everything, or what belongs to one domain."""

    domain_id: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether it is everything."""
        return self.domain_id is None


def reach_of(who: Identity) -> Reach:
    """Return what of a list somebody sees.

    Raises:
        Forbidden: nothing at all.
    """
    if sees_all(who):
        return Reach()
    if who.domain_id is not None and sees(who, who.domain_id):
        return Reach(who.domain_id)
    raise forbidden()


def may_give(
    who: Identity,
    *,
    role: str,
    target_domain: str | None,
    actor_domain: str,
    domain_admin_roles: Collection[str],
) -> bool:
    """Whether somebody may give or take a role; on the system the target's domain is None."""
    if administers_all(who):
        return True
    return administers(who, target_domain) and actor_domain == target_domain and role in domain_admin_roles


def may_make_credentials(who: Identity, user_id: str) -> bool:
    """Whether somebody may make secrets that speak for a user: only that user, and not by a limited secret.

    An application credential that could make others would outlive its own expiry and its own roles.
    """
    return who.user_id == user_id and not who.application_credential_restricted and _is_first_hand(who)


def may_keep_keys(who: Identity, user_id: str) -> bool:
    """Whether somebody may make and see access keys of a user.

    They have all of the user's roles on a project; hence no application credential may: perhaps it has fewer.
    """
    if who.application_credential_id is not None or not _is_first_hand(who):
        return False
    return who.user_id == user_id or administers_all(who)


def _is_first_hand(who: Identity) -> bool:
    """Whether it was no EC2 credential that made the token: that is good for one project only."""
    return "ec2credential" not in who.methods


def may_rescope(who: Identity) -> bool:
    """Whether a token may be exchanged for another: not where it came of a secret for one project."""
    return who.application_credential_id is None and _is_first_hand(who)


def forbidden() -> Forbidden:
    """Return what everybody is told who may not, whether or not the thing is there."""
    return Forbidden("You are not authorized to perform the requested action.")


def demand(allowed: bool) -> None:  # noqa: FBT001 - a decision, not a switch
    """Refuse what is not allowed.

    Raises:
        Forbidden: it is not.
    """
    if not allowed:
        raise forbidden()
