"""A server of NBD, the network block device protocol, for one disk at a time over a unix socket."""
