"""A run's files: where they are, what its commands run in, how they stood, and going back to that."""
