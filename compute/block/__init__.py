"""The block layer under images, volumes, backups and snapshots: maps of blocks named by their content."""
