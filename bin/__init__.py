"""Entry points: parse arguments, read the configuration, call one function."""
