"""Work for a shell agent, written to be hard to recover: ``TASKS`` is all of it."""

from typing import Final

from tests.workspace.corpus import (
    builds,
    databases,
    history,
    packages,
    permits,
    pipelines,
    repositories,
    services,
    trees,
)
from tests.workspace.corpus.task import Task

TASKS: Final[tuple[Task, ...]] = (
    *builds.TASKS,
    *packages.TASKS,
    *history.TASKS,
    *repositories.TASKS,
    *databases.TASKS,
    *trees.TASKS,
    *permits.TASKS,
    *pipelines.TASKS,
    *services.TASKS,
)
