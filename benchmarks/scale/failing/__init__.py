"""Stories of failovers, each with a broken build beside it; ``benchmarks.scale.failover`` counts them."""
