"""What these tests need: root, and a CRIU that works here. Where one is missing they are skipped, with the reason."""

from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images.criu import Criu, NoCriu, find_criu
from perdure.adapters.sandboxes.images.probe import probe_images


@pytest.fixture(scope="session")
def criu(tmp_path_factory: pytest.TempPathFactory) -> Criu:
    """Return the CRIU of this machine, if it can take and restore images."""
    found = find_criu()
    if isinstance(found, NoCriu):
        pytest.skip(f"{found.why}; to enable: {found.cure}")
    why, cure = probe_images(Path(tmp_path_factory.mktemp("probe")))
    if why:
        pytest.skip(f"{why}; to enable: {cure}")
    return found
