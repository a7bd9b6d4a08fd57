"""The S3 door: the same accounts, containers and objects, as Amazon's SDKs speak of them.

    door.py        which requests are S3's, who sends them, what goes wrong
    operations.py  which function serves which request
    request.py     how those functions ask the store

What one API writes the other one reads: a bucket is a container, a key is an object's name.
"""
