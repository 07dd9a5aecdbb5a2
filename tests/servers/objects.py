"""Real object stores of our own: SeaweedFS and moto, each a process on loopback; and what a test says of them."""

import contextlib
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Final, TypeVar

from tests.servers.ending import Guard
from tests.servers.ports import free_port

T = TypeVar("T", bound="ObjectServer")

KEY: Final = "perdure"
SECRET: Final = "perdure-secret"
READER: Final = "reader"
"""a key that may only read, in SeaweedFS"""
REGION: Final = "us-east-1"
START_SECONDS: Final = 90
STARTS_MAX: Final = 4
"""with ports of its own each: somebody else may have been quicker on one"""

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


class ObjectServer:
    """A process that serves objects on a port."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        """``process`` listens on ``port``."""
        self.port = port
        self.process = process
        self._guard: Guard = Guard(process.pid)

    def end(self) -> None:
        """The server's process has ended."""
        self._guard.end()
        self.process.kill()
        self.process.wait()


class S3Server(ObjectServer):
    """One S3 server, and settings for a bucket of it."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        """``process`` listens on ``port``."""
        super().__init__(port, process)
        self._buckets: set[str] = set()

    def bucket(self, name: str, prefix: str = "runs") -> dict[str, object]:
        """The bucket is there and has taken an object; return the settings that reach it.

        SeaweedFS has room for a few buckets only, and the first object in each waits until room is made on a volume.
        """
        if name not in self._buckets:
            _until_taken(self, name)
            self._buckets.add(name)
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


@contextlib.contextmanager
def moto() -> Generator[S3Server]:
    """Run moto's S3, which keeps objects in memory."""
    program = str(Path(sys.executable).parent / "moto_server")

    def begun() -> S3Server:
        port = free_port()
        words = [program, "-H", "127.0.0.1", "-p", str(port)]
        return S3Server(port, _process(words, subprocess.DEVNULL))

    with answering(begun) as server:
        yield server


@contextlib.contextmanager
def seaweed(directory: Path) -> Generator[S3Server]:
    """Run SeaweedFS over ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    identities = directory / "identities.json"
    identities.write_text(json.dumps(_IDENTITIES), encoding="utf-8")
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"

    def begun() -> S3Server:
        # Its ports for gRPC are its ports plus ten thousand unless they are named.
        names = ("s3", "master", "volume", "filer")
        ports = {name: free_port() for name in (*names, *(f"{name}.grpc" for name in names))}
        own = Path(tempfile.mkdtemp(prefix="data-", dir=directory))
        words = [
            program,
            "server",
            f"-dir={own}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            f"-s3.config={identities}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.max=100",
            "-master.volumeSizeLimitMB=64",
            *(f"-{room}.port{kind}={port}" for (room, kind), port in _parted(ports)),
        ]
        with (directory / "server.log").open("ab") as log:
            return S3Server(ports["s3"], _process(words, log))

    with answering(begun) as server:
        yield server


def _parted(ports: dict[str, int]) -> list[tuple[tuple[str, str], int]]:
    """Return each port with the name of its part, and how it is called there."""
    halves = [(name.partition("."), port) for name, port in ports.items()]
    return [((room, dot + kind), port) for (room, dot, kind), port in halves]


def _process(words: Sequence[str], log: "int | IO[bytes]") -> "subprocess.Popen[bytes]":
    return subprocess.Popen(words, stdout=log, stderr=log)


@contextlib.contextmanager
def answering(begun: Callable[[], T]) -> Generator[T]:
    """It answers from here on, and has ended afterwards; one that ends before it has answered is begun anew."""
    for left in reversed(range(STARTS_MAX)):
        server = begun()
        try:
            if not _listens(server):
                if left:
                    continue
                raise RuntimeError(f"the object store ended with {server.process.returncode}")
            yield server
        finally:
            server.end()
        return


def _listens(server: ObjectServer) -> bool:
    """Wait until the server answers; False if it has ended instead. Whether it takes objects, its buckets tell."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.process.poll() is not None:
            return False
        # Whoever else listens there doesn't answer so, or the server has ended because of it.
        with (
            contextlib.suppress(OSError, HTTPException),
            closing(HTTPConnection("127.0.0.1", server.port, 2)) as asked,
        ):
            asked.request("GET", "/")
            asked.getresponse().read()
            return server.process.poll() is None
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {server.port}")


def _until_taken(server: S3Server, bucket: str) -> None:
    """Make a bucket, and wait until it takes an object: a server listens before all that it consists of does."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with contextlib.suppress(urllib.error.HTTPError):
                # It is there already, or the object tells what is wrong.
                _signed_put(server.port, bucket)
            _signed_put(server.port, f"{bucket}/ready", b"x" * 100_000)
        except OSError as error:
            if time.monotonic() > end or server.process.poll() is not None:
                raise TimeoutError(f"bucket {bucket} takes nothing: {error}") from error
            time.sleep(0.1)
        else:
            return


def _signed_put(port: int, path: str, body: bytes = b"") -> None:
    """Make a bucket, which obstore can't, or an object: one request signed by hand."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    day, content = at[:8], hashlib.sha256(body).hexdigest()
    host = f"127.0.0.1:{port}"
    signed = "host;x-amz-content-sha256;x-amz-date"
    heads = f"host:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{at}\n"
    asked = f"PUT\n/{path}\n\n{heads}\n{signed}\n{content}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    words = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, words.encode(), "sha256").hex()
    heading = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={signed}, Signature={signature}"
    request = urllib.request.Request(
        f"http://{host}/{path}",
        data=body,
        method="PUT",
        headers={"x-amz-date": at, "x-amz-content-sha256": content, "Authorization": heading},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        answer.read()
