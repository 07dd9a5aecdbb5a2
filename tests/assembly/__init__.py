"""The public API, over the real store."""
