"""Real servers, started in directories and on ports of their own, for tests and benchmarks."""
