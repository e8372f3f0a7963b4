"""Where processes without a web server show their metrics: METRICS_PORT.

Only this machine may read it, or clients with METRICS_TOKEN, as with `/metrics`. A port that is
taken never keeps a process from its work: opening it is retried until it succeeds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from chat.monitoring.health import may_read_metrics_from

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
# A scraper that is silent for this long loses its thread.
SILENCE_SECONDS = 10

TEND_SECONDS = 10.0


class Handler(BaseHTTPRequestHandler):
    registry: ClassVar[CollectorRegistry] = REGISTRY
    timeout = SILENCE_SECONDS
    server_version = "veche"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        peer, token = self.client_address[0], self.headers.get("Authorization", "")
        proxied = "X-Forwarded-For" in self.headers
        if path != "/metrics" or not may_read_metrics_from(peer, token, proxied=proxied):
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
        else:
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: a line every 15 s would be noise."""


class MetricsServer(ThreadingHTTPServer):
    """Serves metrics, and calls `tend` every `TEND_SECONDS`, even if nobody asks for them."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[Handler], tend: Callable[[], None]
    ) -> None:
        super().__init__(address, handler)
        self._tend = tend
        self._tended_at = 0.0

    def service_actions(self) -> None:
        now = time.monotonic()
        if now - self._tended_at >= TEND_SECONDS:
            self._tended_at = now
            try:
                self._tend()
            except OSError as error:
                logger.warning("metrics could not be kept up: %s", type(error).__name__)


_server: MetricsServer | None = None


def serve_metrics(
    registry: CollectorRegistry = REGISTRY, tend: Callable[[], None] = lambda: None
) -> None:
    """Shows `registry` on METRICS_PORT, from a thread; does nothing when that is 0."""
    if settings.ENV.metrics_port:
        handler = type("OfRegistry", (Handler,), {"registry": registry})
        threading.Thread(target=_serve, args=(handler, tend), name="metrics", daemon=True).start()


def leave_port_to_parent() -> None:
    """Closes the listening socket that a child process inherited."""
    if _server is not None:
        _server.socket.close()


def _serve(handler: type[Handler], tend: Callable[[], None]) -> None:
    global _server
    address = (settings.ENV.metrics_bind, settings.ENV.metrics_port)
    said = False
    while True:
        try:
            _server = MetricsServer(address, handler, tend)
            break
        except OSError as error:
            if not said:
                logger.error("no metrics on port %s yet: %s", address[1], error.strerror)
            said = True
            time.sleep(RETRY_SECONDS)
    _server.serve_forever()
