"""The volume service: Cinder's v3 API over the block layer, with backups that each stand alone."""
