"""How resources are written for clients: one function per resource, in the form of each microversion."""
