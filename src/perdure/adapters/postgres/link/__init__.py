"""Connections to the server: how they are made, lent, watched, and what the server's errors mean."""
