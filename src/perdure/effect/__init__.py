"""Floor 3: what may be done about an effect. Memory of equal acts, and doubts settled by class."""
