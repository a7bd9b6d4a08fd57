"""Filters that stand before the proxy application in its pipeline."""
