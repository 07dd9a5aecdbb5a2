"""Floor 1: what a run is made of. Events, their envelope and chain, and the port to a store."""
