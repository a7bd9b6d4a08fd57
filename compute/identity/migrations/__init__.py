"""How the tables of the identity service came to be what they are."""
