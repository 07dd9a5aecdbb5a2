"""Google's XML interface over an S3 server of the tests, which differs in the words for "only where there is none".

It says nothing of Google's own server: it shows what is asked of that, and that answers of its kind are understood.
"""

import contextlib
import json
import threading
from collections.abc import Generator
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.objects import KEY, S3Server


class GoogleServer:
    """Its port, what it was asked, and settings for a bucket."""

    def __init__(self, port: int, s3: S3Server, directory: Path) -> None:
        """Listen on ``port`` before ``s3``; accounts are written to ``directory``."""
        self.port = port
        self._s3 = s3
        self._directory = directory

    def bucket(self, name: str, prefix: str = "runs") -> dict[str, object]:
        """The bucket is there; return the settings that reach it."""
        self._s3.bucket(name)
        return self._settings(name, prefix, self.port)

    def elsewhere(self, port: int) -> dict[str, object]:
        """Return settings for a bucket of whoever listens on ``port``."""
        return self._settings("bucket", "x", port)

    def _settings(self, name: str, prefix: str, port: int) -> dict[str, object]:
        account = self._directory / f"account-{port}.json"
        words = {"gcs_base_url": f"http://127.0.0.1:{port}", "disable_oauth": True}
        nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        account.write_text(json.dumps({**words, **nobody}))
        url = f"gs://{name}/{prefix}"
        return {"url": url, "service_account_file": str(account), "allow_http": True, "cache_bytes": 0}


class _Crowded(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextlib.contextmanager
def google(s3: S3Server, directory: Path) -> Generator[GoogleServer]:
    """Answer as Google does out of what ``s3`` holds."""
    directory.mkdir(parents=True, exist_ok=True)

    # Moto looks whether there is one and then makes it, so that two at once may both be told that they have.
    turns = threading.Lock()

    class Translated(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = ("range", "content-length", "content-type")
            heads = {name: word for name, word in self.headers.items() if name.lower() in kept}
            # Who signs is not looked at, only that somebody does.
            heads["Authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={KEY}/20261126/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
            )
            if self.headers.get("x-goog-if-generation-match") == "0":
                heads["If-None-Match"] = "*"
            with turns, closing(HTTPConnection("127.0.0.1", s3.port, 30)) as there:
                there.request(self.command, self.path, body, heads)
                told = there.getresponse()
                content = told.read()
            self.send_response(told.status)
            for name, word in told.getheaders():
                if name.lower() in {"etag", "last-modified", "content-range", "content-type"}:
                    self.send_header(name, word)
            length = told.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its own word

    with _Crowded(("127.0.0.1", 0), Translated) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield GoogleServer(server.server_port, s3, directory)
        finally:
            server.shutdown()
            thread.join()
