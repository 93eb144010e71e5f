"""A run in numbers for Prometheus: HTTP at rank 0, read at every scrape.

Off unless the configuration says ``metrics.enabled``. Scrapes are answered in threads
of their own, from the newest snapshot: the event loop hands one over ten times a second
and never waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from socket import AF_INET6
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from specklenn.core.config.run_config import Metrics
from specklenn.core.errors import ConfigError, MissingPackageError
from specklenn.core.messages import Snapshot
from specklenn.plugin.parallel.clock import Clock

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0
LAST_SCRAPE_STEP_S = 0.05


class MetricsServer:
    """Answers scrapes with the newest snapshot; a publisher.

    Raises
    ------
    MissingPackageError
        If prometheus-client is not installed.
    ConfigError
        If the port cannot be used; says why.
    """

    def __init__(self, settings: Metrics, clock: Clock) -> None:
        app = make_app(self)
        self._settings = settings
        self._clock = clock
        self._newest: Snapshot | None = None
        self._changed_ns = 0
        self._scraped: int | None = None
        self._server = _bound(settings)
        self._server.set_app(app)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def publish(self, snapshot: Snapshot) -> None:
        """Let the next scrapes see this snapshot."""
        before = self._newest
        if before is None or before.shots != snapshot.shots:
            self._changed_ns = snapshot.wall_ns
        self._newest = snapshot

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of this moment; Prometheus's client calls it."""
        from specklenn.plugin.live.metrics import families

        snapshot = self._newest
        if snapshot is None:
            return
        yield from families(snapshot, self._changed_ns, self._clock.wall_ns())
        self._scraped = snapshot.sequence

    def close(self) -> None:
        """Wait for a last scrape if there were any, then close the port.

        A run that failed or was interrupted does not wait.
        """
        until = self._clock.monotonic() + self._settings.last_scrape_s
        while self._awaits_scrape() and self._clock.monotonic() < until:
            self._clock.sleep(LAST_SCRAPE_STEP_S)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _awaits_scrape(self) -> bool:
        newest, scraped = self._newest, self._scraped
        if newest is None or scraped is None or newest.state != "finished":
            return False
        return scraped < newest.sequence


def make_app(collector: Any) -> Callable[..., Any]:
    """Return the WSGI application that shows what a collector of metrics collects.

    Raises
    ------
    MissingPackageError
        If prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, make_wsgi_app
    except ImportError as error:
        raise MissingPackageError(
            "metrics.enabled: the package prometheus-client is missing; "
            'pip install "specklenn[metrics]"'
        ) from error
    registry = CollectorRegistry()
    registry.register(collector)
    app: Callable[..., Any] = make_wsgi_app(registry)
    return app


class _Server(ThreadingMixIn, WSGIServer):
    """One thread a request; closing it lets answers that are under way go out."""

    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write a client that went away or said nothing into the log."""
        log.info("no answer to a scrape of %s", client_address, exc_info=True)


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(WSGIRequestHandler):
    """Writes no lines about requests, and drops those who say nothing."""

    timeout = REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _bound(settings: Metrics) -> WSGIServer:
    kind = _Server6 if ":" in settings.host else _Server
    try:
        return kind((settings.host, settings.port), _Handler)
    except OSError as error:
        raise ConfigError(
            f"metrics.port: {settings.host} port {settings.port} cannot be used: "
            f"{error.strerror}; does another run show its numbers there?"
        ) from error
