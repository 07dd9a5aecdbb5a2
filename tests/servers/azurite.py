"""Azurite, which speaks as Azure's blob storage does: a process on loopback, if it is installed.

It comes from npm: ``npm install --prefix DIR azurite``, then ``PERDURE_TEST_AZURITE=DIR/node_modules/.bin/azurite-blob``.
"""

import base64
import contextlib
import hmac
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.servers.objects import ObjectServer, answering
from tests.servers.ports import free_port

MISSING: Final = "no Azurite here: npm install azurite, and set PERDURE_TEST_AZURITE to its azurite-blob"

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Both are the same in every Azurite, and no secret."""

_VERSION: Final = "2023-11-03"


def program() -> str | None:
    """Return Azurite's program for blobs, or None where there is none."""
    return os.environ.get("PERDURE_TEST_AZURITE") or shutil.which("azurite-blob")


class AzureServer(ObjectServer):
    """One Azurite, and settings for a container of it."""

    def container(self, name: str, prefix: str = "runs") -> dict[str, object]:
        """The container is there; return the settings that reach it."""
        at = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        heads = f"x-ms-date:{at}\nx-ms-version:{_VERSION}"
        words = "\n".join(("PUT", *[""] * 11, heads, f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"))
        signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), words.encode(), "sha256")).decode()
        request = urllib.request.Request(
            f"{self.endpoint}/{name}?restype=container",
            method="PUT",
            headers={
                "x-ms-date": at,
                "x-ms-version": _VERSION,
                "Authorization": f"SharedKey {ACCOUNT}:{signature}",
                "Content-Length": "0",
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
        return self.settings(name, prefix)

    @property
    def endpoint(self) -> str:
        """The address of the account."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def settings(self, name: str, prefix: str = "runs", *, port: int | None = None) -> dict[str, object]:
        """Return settings for a container, by way of another ``port`` perhaps."""
        return {
            "url": f"az://{name}/{prefix}",
            "account": ACCOUNT,
            "account_key": KEY,
            "endpoint": f"http://127.0.0.1:{port or self.port}/{ACCOUNT}",
            "allow_http": True,
            "cache_bytes": 0,
        }


@contextlib.contextmanager
def azurite(directory: Path) -> Generator[AzureServer]:
    """Run Azurite over ``directory``."""
    found = program()
    if found is None:
        raise FileNotFoundError(MISSING)
    directory.mkdir(parents=True, exist_ok=True)

    def begun() -> AzureServer:
        port = free_port()
        words = [found, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(directory)]
        words += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        return AzureServer(
            port, subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    with answering(begun) as server:
        yield server
