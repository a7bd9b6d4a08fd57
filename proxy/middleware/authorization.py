"""Whether somebody may do what they ask: OpenStack Swift's rules for tempauth, as a function of values.

    Question(method, path, groups, ACL, referrer) ──judge()──▶ OWNER | ALLOWED | DENIED
                                                        └────▶ UNDECIDED: ask the account's list, then
                                      judge_by_account_acl() ──▶ OWNER | ALLOWED | DENIED

It does not know tokens, headers, or where lists are stored.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..acl import AccountAcl, ContainerAcl
from .resellers import Resellers

RESELLER_ADMIN = ".reseller_admin"
RESELLER_READER = ".reseller_reader"
READS = frozenset({"GET", "HEAD"})
NOBODYS_GROUPS: frozenset[str] = frozenset()


class Verdict(enum.Enum):
    """What the asker gets."""

    OWNER = "may do it, and sees and sets what only owners may"
    ALLOWED = "may do it"
    UNDECIDED = "depends on the account's access list"
    DENIED = "may not"


@dataclass(slots=True)
class Question:
    """What somebody wants to do; `acl` is the container's list that fits the method, where one is known.

    Made for every request, so not frozen: that would cost three times as much.
    """

    method: str
    account: str
    container: str | None
    obj: str | None
    groups: frozenset[str]
    acl: str | None
    referrer: str | None


def judge(question: Question, resellers: Resellers) -> Verdict:
    """Return what groups and the container's list say; UNDECIDED where the account's list may say more."""
    account, groups = question.account, question.groups
    if groups:
        if account in groups and (question.container or question.method not in ("PUT", "DELETE")):
            required = resellers.required_groups.get(resellers.prefix_of(account) or "")
            if not required or required in groups:
                return Verdict.OWNER
        if RESELLER_ADMIN in groups and resellers.is_ordinary(account):
            return Verdict.OWNER
        if RESELLER_READER in groups and question.method in READS and resellers.is_ordinary(account):
            return Verdict.ALLOWED
    if question.method == "OPTIONS":
        return Verdict.ALLOWED
    if question.acl:
        acl = ContainerAcl.parse(question.acl)
        if acl.admits_referrer(question.referrer, listing=not question.obj) or acl.admits_group(groups):
            return Verdict.ALLOWED
    return Verdict.UNDECIDED if groups else Verdict.DENIED


def judge_by_account_acl(question: Question, acl: AccountAcl | None) -> Verdict:
    """Return what the account's own list says of somebody it was UNDECIDED about."""
    if acl is None:
        return Verdict.DENIED
    if not acl.admin.isdisjoint(question.groups):
        return Verdict.OWNER
    reads = question.method in READS
    if (reads or question.container) and not acl.read_write.isdisjoint(question.groups):
        return Verdict.ALLOWED
    if reads and not acl.read_only.isdisjoint(question.groups):
        return Verdict.ALLOWED
    return Verdict.DENIED
