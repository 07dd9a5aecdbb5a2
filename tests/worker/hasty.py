"""A worker that gives a run up after three tries, a moment apart: nobody waits for minutes in a test."""

from perdure.worker import driving
from tests.worker import agents

for limit, value in (("WORKER_TRIES_MAX", 3), ("WORKER_TRY_PAUSE_NS", 1_000_000)):
    setattr(driving, limit, value)
doer = agents.doer
