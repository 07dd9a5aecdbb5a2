"""Events in words: one line each."""
