"""One suite for every store: what the port promises, verb by verb. Factories are in ``stores``."""
