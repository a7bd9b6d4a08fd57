"""The image service: Glance's v2 API over the block layer.

client ──▶ controllers ──▶ access.py (who may), catalogue (what is known), ingest.py (bytes ──▶ block map)
"""
