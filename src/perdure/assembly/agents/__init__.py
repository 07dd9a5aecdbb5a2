"""An agent as a user writes it, and what its runs are driven with."""
