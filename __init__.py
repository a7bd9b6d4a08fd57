"""Apus: a distributed object store that speaks OpenStack Swift's protocol at every seam.

The folders beside this file are the subpackages; ARCHITECTURE.md is their map.
"""

__version__ = "0.1.0"
