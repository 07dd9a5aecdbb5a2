"""Floor 7: names the adapters and builds a running house of them; the only room that knows all."""
