"""A build of perdure that brings one step of the tables more; ``PERDURE_TEST_STEP`` is its number and the oldest beside it.

Imported by a worker with its agents, or by ``python -m tests.worker.newer store migrate ...``.
"""

import os
import sys

from perdure.adapters.postgres import watched
from perdure.adapters.postgres.schema import migrating
from perdure.assembly import house
from perdure.assembly.agents.beginnings import adopted
from perdure.worker import surveying, versions
from tests.fleet import agents

_known = migrating.migrations
_number, _, _beside = os.environ.get("PERDURE_TEST_STEP", "").partition(":")


def _more() -> tuple[migrating.Migration, ...]:
    text = f"-- beside: {_beside}\nCREATE TABLE newer_{_number} (n bigint);\nALTER TABLE runs ADD newer_{_number} bigint;\n"
    return (*_known(), migrating.step_of(f"{_number}_newer", text))


changes: list[tuple[object, str, object]] = []
if _number:
    changes += [(migrating, "migrations", _more), (watched, "migrations", _more)]

# Builds that are broken on purpose: one never looks at the tables; one looks at a run's version before it has one; one
# doesn't look at it at all.
surveying.SURVEYS = "PERDURE_TEST_BLIND" not in os.environ


async def _anything_goes(*_: object) -> None:
    return None


if "PERDURE_TEST_HASTY" in os.environ or "PERDURE_TEST_CARELESS" in os.environ:
    changes.append((versions.VersionGate, "__call__", _anything_goes))
if "PERDURE_TEST_CARELESS" in os.environ:
    changes.append((house, "adopted_by", lambda _going, _books, agent, state: adopted(agent, state)))
for place, name, new in changes:
    setattr(place, name, new)

billing = agents.billing

if __name__ == "__main__":
    from perdure.cli import main

    sys.exit(main())
