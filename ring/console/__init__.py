"""What apus-ring-builder says and does; bin/ring_builder.py only calls it."""
