"""Agents to read, to run and to kill."""
