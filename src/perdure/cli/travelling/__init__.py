"""Going to another position of a run, and taking one change back."""
