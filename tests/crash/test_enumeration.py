"""Killed at every moment and at pairs of them, nothing is lost, doubled or stopped without need."""

import pytest

from perdure.testing import Report, crash_everywhere
from perdure.testing.disks import SqliteDisk
from tests.crash.cases import CASES

PAIRS_IN_MAKE_TEST = 8
"""Of each case that isn't a class; ``make evidence-core`` tries them all."""

CLASSES = ("read", "workspace", "transactional", "idempotent", "probeable", "once")

ON_DISK = ("transactional", "once", "approval")


def enumerate_case(name: str, pairs_max: int | None = None) -> Report:
    """Return what becomes of the case of this name."""
    case = CASES[name]
    return crash_everywhere(
        case.agent, "Go.", make_world=case.world, then=case.then, pairs=True, pairs_max=pairs_max
    )


@pytest.mark.parametrize("name", CASES)
def test_a_program_that_dies_anywhere_loses_doubles_and_asks_for_nothing(name: str):
    enumerate_case(name, None if name in CLASSES else PAIRS_IN_MAKE_TEST).check()


@pytest.mark.parametrize("name", ON_DISK)
def test_it_holds_on_a_disk_that_each_life_opens_anew(name: str):
    case = CASES[name]
    crash_everywhere(
        case.agent, "Go.", make_world=case.world, then=case.then, make_disk=SqliteDisk, thin=True
    ).check()


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_a_program_that_dies_twice_anywhere_loses_doubles_and_asks_for_nothing(name: str):
    enumerate_case(name).check()


def test_what_nobody_can_vouch_for_is_asked_and_nothing_else_is():
    stops = {name: enumerate_case(name, 0).stops for name in ("read", "idempotent", "probeable", "once")}
    assert stops == {"read": 0, "idempotent": 0, "probeable": 0, "once": stops["once"]}
    assert stops["once"] > 0
