"""Conditional writes: one decision among the primaries of an object; see doc/decisions."""
