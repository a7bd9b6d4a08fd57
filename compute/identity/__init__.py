"""Who there is, who may do what where, and the tokens that say so: OpenStack's identity API, version 3."""
