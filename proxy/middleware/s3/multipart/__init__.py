"""Objects that come in several parts.

    uploads.py     begun: CreateMultipartUpload          parts.py   UploadPart, UploadPartCopy
    completing.py  an object is made of the parts        aborting.py  all of it is removed
    shown.py       ListMultipartUploads, ListParts
    operations.py  which function serves which request
    names.py, pages.py, assembly.py, checks.py           what is decided
    rows.py, finished.py, claims.py                      what is found in the store

The parts of an object are the segments of a static large object, which either API reads.
"""
