"""What apus-dispersion-populate and apus-dispersion-report do: a sample of partitions, and who has it."""
