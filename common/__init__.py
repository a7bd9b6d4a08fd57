"""What two or more parts of the store need: HTTP engine, settings, logs, timestamps, errors, databases."""
