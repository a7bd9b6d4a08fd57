"""The account service: which containers an account has."""
