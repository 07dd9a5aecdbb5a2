"""Figures of recorded sessions, whoever recorded them."""
