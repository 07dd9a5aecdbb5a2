"""A worker that never sweeps, broken on purpose."""

from perdure.worker import sweeping
from tests.worker import agents

sweeping.SWEEPS = False
doer = agents.doer
