"""Requests to a bucket, told to its owner as objects in another bucket.

a request's end ──recording──▶ a line (line, operation_names) ──spool──▶ a file on the proxy's disk
file, closed ──delivery──▶ PREFIX + YYYY-mm-DD-HH-MM-SS-… in the target bucket (destination)
"""
