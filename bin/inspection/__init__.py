"""What apus-object-info, apus-container-info and apus-account-info print."""
