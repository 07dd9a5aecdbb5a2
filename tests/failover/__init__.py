"""A store whose server fails over, is restored, or is copied."""
