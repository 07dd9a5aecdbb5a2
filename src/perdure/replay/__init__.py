"""Floor 5: the log read again. Verify, decide again, compare; without a world to do anything in."""
