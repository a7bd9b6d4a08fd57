"""Looks after container databases: readable, and every page of them well-formed.

containers/…/HASH.db ──▶ ContainerAuditor ──▶ quarantine, log, recon
"""

from __future__ import annotations

from ..common.database.auditing import Auditor
from .broker import ContainerBroker


class ContainerAuditor(Auditor):
    """Audits the containers of one node."""

    kind = "container"

    def audit(self, path: str) -> None:
        """Check one database."""
        broker = ContainerBroker(path)
        try:
            broker.verify()
            broker.info()
        finally:
            broker.close()
