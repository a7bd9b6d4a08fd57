"""How property tests of the proxy run."""

from __future__ import annotations

from hypothesis import settings

# A shared machine may stall any one example; a law that is slow says nothing about whether it holds.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
