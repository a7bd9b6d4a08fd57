"""The agent of a host: reads what its machines shall be, makes them so, says how it went.

loop.py ──▶ undertaking.py (what a task means) ──▶ a driver (libvirt.py, fake.py) and disks.py (the block
layer)
"""
