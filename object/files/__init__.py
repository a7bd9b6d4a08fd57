"""The file-per-object engine, in OpenStack Swift's on-disk layout."""
