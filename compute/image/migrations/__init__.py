"""Revisions of the image service's tables, applied by `compute.catalogue`."""
