"""Runs of agents that are not ours: their conversations, their calls, and what they are told."""
