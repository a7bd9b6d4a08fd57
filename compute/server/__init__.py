"""The server service: machines, in the words of OpenStack Compute v2.1.

client ──▶ app.py (API: records what is wanted) ──▶ catalogue ◀── agent/ on each host (makes it so, says
what is)

It meets networks, images and volumes over HTTP only (`networks.py`, `images.py`, `volumes.py`).
"""
