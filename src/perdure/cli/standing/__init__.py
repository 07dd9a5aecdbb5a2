"""Runs as they stand: which there are, how each is, and what leads on."""
