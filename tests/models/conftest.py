"""Keys come from the environment, as they do for users."""

import pytest
from tenacity import wait_none

from tests.models.speaking import ALL, KEY, Spoken


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    for spoken in ALL:
        monkeypatch.setenv(spoken.variable, KEY)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait only as long as the provider asks."""
    monkeypatch.setattr("perdure.adapters.models.asked._pause", wait_none())


@pytest.fixture(params=ALL, ids=lambda spoken: spoken.spec)
def spoken(request: pytest.FixtureRequest) -> Spoken:
    return request.param
