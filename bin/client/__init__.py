"""What the command `apus` does: an account's containers and objects, moved, compared, told about."""
