"""Real object stores of our own: SeaweedFS and moto, each a process on loopback; and what a test says of them."""

import contextlib
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.servers.ending import Guard
from tests.servers.ports import free_port

KEY: Final = "perdure"
SECRET: Final = "perdure-secret"
READER: Final = "reader"
"""a key that may only read, in SeaweedFS"""
REGION: Final = "us-east-1"
START_SECONDS: Final = 60

_IDENTITIES: Final = {
    "identities": [
        {
            "name": "owner",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER, "secretKey": SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}


class S3Server:
    """One S3 server: its port, and settings for a bucket of it."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        """``process`` listens on ``port``."""
        self.port = port
        self.process = process
        self._guard: Guard = Guard(process.pid)

    def bucket(self, name: str, prefix: str = "runs") -> dict[str, object]:
        """The bucket is there; return the settings that reach it. SeaweedFS has room for a few only."""
        with contextlib.suppress(urllib.error.HTTPError):
            # It is there already.
            _signed_put(self.port, name)
        return self.settings(name, prefix)

    def settings(self, name: str, prefix: str = "runs", *, port: int | None = None) -> dict[str, object]:
        """Return settings for a bucket, by way of another ``port`` perhaps."""
        return {
            "url": f"s3://{name}/{prefix}",
            "endpoint": f"http://127.0.0.1:{port or self.port}",
            "allow_http": True,
            "region": REGION,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "cache_bytes": 0,
        }

    def end(self) -> None:
        """The server's process has ended."""
        self._guard.end()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def moto() -> Generator[S3Server]:
    """Run moto's S3, which keeps objects in memory."""
    port = free_port()
    program = str(Path(sys.executable).parent / "moto_server")
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with _answering(S3Server(port, process)) as server:
        yield server


@contextlib.contextmanager
def seaweed(directory: Path) -> Generator[S3Server]:
    """Run SeaweedFS over ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    identities = directory / "identities.json"
    identities.write_text(json.dumps(_IDENTITIES), encoding="utf-8")
    # Its ports for gRPC are its ports plus ten thousand unless they are named.
    names = ("s3", "master", "volume", "filer")
    ports = {name: free_port() for name in (*names, *(f"{name}.grpc" for name in names))}
    words = [
        f"-{name.split('.')[0]}.port{name[len(name.split('.')[0]) :]}={port}" for name, port in ports.items()
    ]
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                "server",
                f"-dir={directory}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3",
                f"-s3.config={identities}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-volume.max=100",
                "-master.volumeSizeLimitMB=64",
                *words,
            ],
            stdout=log,
            stderr=log,
        )
    with _answering(S3Server(ports["s3"], process)) as server:
        yield server


@contextlib.contextmanager
def _answering(server: S3Server) -> Generator[S3Server]:
    """It answers from here on, and has ended afterwards."""
    try:
        _wait_for(server)
        yield server
    finally:
        server.end()


def _wait_for(server: S3Server) -> None:
    for _ in range(START_SECONDS * 20):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = server.process.wait(0.05)
            raise RuntimeError(f"the object store ended with {code}")
    raise TimeoutError(f"nothing answers on port {server.port}")


def _signed_put(port: int, bucket: str) -> None:
    """Make a bucket, which obstore can't: one request signed by hand."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    day, empty = at[:8], hashlib.sha256(b"").hexdigest()
    host = f"127.0.0.1:{port}"
    signed = "host;x-amz-content-sha256;x-amz-date"
    heads = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{at}\n"
    asked = f"PUT\n/{bucket}\n\n{heads}\n{signed}\n{empty}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    words = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, words.encode(), "sha256").hex()
    heading = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={signed}, Signature={signature}"
    request = urllib.request.Request(
        f"http://{host}/{bucket}",
        method="PUT",
        headers={"x-amz-date": at, "x-amz-content-sha256": empty, "Authorization": heading},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        answer.read()
