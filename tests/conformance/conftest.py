"""Every test of this folder runs over every store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.stores import STORES, Store, open_for, skip_if_missing


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    skip_if_missing(request.param)
    with open_for(STORES[request.param], tmp_path) as opened:
        yield opened
