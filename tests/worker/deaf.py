"""A worker that hears no notice, broken on purpose: the sweep has to do."""

from perdure.worker import hearing
from tests.worker import agents

hearing.HEARS = False
doer = agents.doer
