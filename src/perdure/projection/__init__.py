"""Floor 2: the state of a run, folded from its events and from nothing else."""
