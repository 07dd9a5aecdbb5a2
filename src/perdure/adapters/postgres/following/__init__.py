"""All runs' events in one order, and what holds that order back."""
