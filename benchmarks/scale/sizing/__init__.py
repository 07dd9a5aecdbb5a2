"""A plan past these machines: a simulation of shards and workers, fed by what was measured here."""
