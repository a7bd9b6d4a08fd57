"""The tiny guest: a machine of one kernel and one program, to try a cloud with.

image.py ◀── packages.py (from Debian), initramfs.py (archive), init (what it does)        ──▶ a raw disk
"""
