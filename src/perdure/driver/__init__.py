"""Floor 6: the only loop and the only concurrency. It does what is wanted, and reports facts."""
