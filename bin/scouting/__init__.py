"""What apus-recon does: ask every storage server about itself and sum the answers up."""
