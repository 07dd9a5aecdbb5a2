"""Floor 8: worlds, crash points, clocks and scripted models, for our tests and for users'."""
