"""The cloud services' place: tenants of the store that reach it over HTTP with an account like anyone's."""
