"""Answers who asks how this worker is: probes and figures, from a thread that no run holds up."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from perdure.values.errors import Unlistenable


class Answer(NamedTuple):
    """Whether all is well, in a word or a sentence."""

    well: bool
    words: str


class Probes:
    """``/healthz``: the process lives; ``/readyz``: it takes runs; ``/metrics``: figures for Prometheus."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        healthy: Callable[[], Answer],
        ready: Callable[[], Answer],
        figures: CollectorRegistry,
    ) -> None:
        """Listen at ``host`` and ``port`` (0: any that is free). Raises ``Unlistenable``."""

        def asked(path: str) -> tuple[int, str, bytes]:
            match path:
                case "/healthz" | "/readyz":
                    answer = healthy() if path == "/healthz" else ready()
                    return (
                        200 if answer.well else 503,
                        "text/plain; charset=utf-8",
                        f"{answer.words}\n".encode(),
                    )
                case "/metrics":
                    return 200, CONTENT_TYPE_LATEST, generate_latest(figures)
                case _:
                    return 404, "text/plain", b"/healthz, /readyz, /metrics\n"

        class _Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, kind, body = asked(self.path.partition("?")[0])
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
                del format, args

        try:
            self._server: ThreadingHTTPServer = ThreadingHTTPServer((host, port), _Handler)
        except OSError as error:
            raise Unlistenable(f"{host}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self.address: str = f"{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="perdure-probes", daemon=True).start()

    def close(self) -> None:
        """Nobody is answered any more."""
        self._server.shutdown()
        self._server.server_close()
