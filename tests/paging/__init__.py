"""Agents on our own API page their window: what the model is asked with, what it costs, and what comes back."""
