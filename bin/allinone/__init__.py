"""The all-in-one cluster: a whole store on one machine, with production's processes, rings and disks.

layout (pure: folders, ports, roles) ──▶ confs, rings ──▶ processes, nursery ──▶ commands
"""
