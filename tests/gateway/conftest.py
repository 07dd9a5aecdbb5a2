"""What the gateway's tests share: a provider that answers every question in one word."""

from collections.abc import Iterator

import pytest

from tests.gateway.raw import RawUpstream
from tests.gateway.talking import fine, says


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with RawUpstream(says(fine)) as known:
        yield known
