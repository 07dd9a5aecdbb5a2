"""Where an agent's shell commands and background services run: confined, watched, and ended by us."""
