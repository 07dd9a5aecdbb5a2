"""Real object stores, started once, and a bucket of its own for each test."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.content import large
from perdure.log.port import ObjectStore
from tests.objects.parts import PATIENCE_SECONDS
from tests.servers.azurite import MISSING, AzureServer, azurite, program
from tests.servers.google import GoogleServer, google
from tests.servers.objects import S3Server, moto, seaweed

KINDS = ("local", "cached", "seaweed", "moto", "google", "azurite")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, content goes to an object store that takes it; what if not, ``test_away`` shows."""
    monkeypatch.setattr(large, "OBJECT_PUT_SECONDS", float(PATIENCE_SECONDS))


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    if program() is None:
        pytest.skip(MISSING)
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def google_server(moto_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleServer]:
    with google(moto_server, tmp_path_factory.mktemp("google")) as server:
        yield server


@pytest.fixture(params=KINDS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    match request.param:
        case "local":
            return open_objects({"url": f"file://{tmp_path}/objects"})
        case "cached":
            return open_objects({"url": f"file://{tmp_path}/objects"}, cache=tmp_path / "cache")
        case "azurite":
            azure: AzureServer = request.getfixturevalue("azure_server")
            return open_objects(azure.container(f"perdure-{uuid4().hex}"))
        case "google":
            translated: GoogleServer = request.getfixturevalue("google_server")
            return open_objects(translated.bucket("perdure", prefix=uuid4().hex))
        case kind:
            server: S3Server = request.getfixturevalue(f"{kind}_server")
            return open_objects(server.bucket("perdure", prefix=uuid4().hex))
