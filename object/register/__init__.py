"""The registers by which conditional writes of one object agree on who was first; see doc/decisions."""
