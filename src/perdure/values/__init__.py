"""Floor 0: ids, digests, limits and errors. No I/O, and nothing of perdure below it."""
