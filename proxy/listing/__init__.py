"""A container listing that agrees with what was acknowledged."""
