"""Outlines: what a long result is made of, in few lines; one file for each kind of text."""
