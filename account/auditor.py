"""Looks after account databases: readable, and their counts the sum of their policies' counts.

accounts/…/HASH.db ──▶ AccountAuditor ──▶ quarantine, log, recon
"""

from __future__ import annotations

from ..common.database.auditing import Auditor
from ..common.errors import Corrupt
from .broker import AccountBroker


class AccountAuditor(Auditor):
    """Audits the accounts of one node."""

    kind = "account"

    def audit(self, path: str) -> None:
        """Check one database."""
        broker = AccountBroker(path)
        try:
            broker.verify()
            info, policies = broker.info(), list(broker.policy_stats().values())
        finally:
            broker.close()
        for key in ("container_count", "object_count", "bytes_used"):
            total, parts = getattr(info, key), sum(getattr(policy, key) for policy in policies)
            if total != parts:
                raise Corrupt(f"{key} of {info.account} is {total}, but its policies' sum is {parts}")
