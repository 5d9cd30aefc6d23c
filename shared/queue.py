"""The bell: a Redis message that says only "pool X may have work".

Jobs live in Postgres; a bell that is lost, doubled or reordered does no harm, since whoever hears one claims
until nothing is left, and the sweep rings again. So publishing happens off the request, and errors are dropped.
"""

import logging
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import KombuError
from redis import Redis, RedisError

from shared.settings import Settings

TASK = "worker.tasks.work"
"""The one Celery task: claim and run until the pools are empty."""

POOLS = ("accelerated", "gpu", "cpu", "io")
"""Resource classes. `accelerated` is the GPU where the installation has one, else the CPU."""

ENOUGH_BELLS = 16
"""A pool whose list holds this many unheard bells needs no more: nobody is there to hear them."""

PAUSE_S = 0.01
"""Between one round of bells and the next: in a burst of submits one bell speaks for many."""

log = logging.getLogger(__name__)


def broker_url(redis_url: str) -> str:
    """Celery's name for a Redis URL: a unix socket is spelt differently there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair).get("db", "0")
    return f"redis+socket://{parts.path}?virtual_host={database}"


def celery_app(settings: Settings, *, queues: Sequence[str] = POOLS, publisher: bool = False) -> Celery:
    """The Celery application: JSON only, early acknowledgement, no results, one message at a time.

    A `publisher` gives up within seconds when Redis is away; a worker waits for it.
    """
    app = Celery("atelier", broker=broker_url(settings.redis_url), set_as_current=not publisher)
    transport = {"visibility_timeout": 3600, "socket_keepalive": True, "health_check_interval": 25}
    transport |= {"socket_connect_timeout": 1, "socket_timeout": 2} if publisher else {"socket_connect_timeout": 2}
    nameless = Exchange("")  # type: ignore[no-untyped-call]  # kombu has no types
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_create_missing_queues=True,
        task_default_queue="cpu",
        # The nameless exchange needs no binding, so a flushed Redis still takes bells.
        task_queues=[Queue(pool, nameless, routing_key=pool) for pool in queues],  # type: ignore[no-untyped-call]
        task_default_exchange="",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        broker_transport_options=transport,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
    )
    return app


class Ringer:
    """Rings pools from a thread of its own, so that no request ever waits for Redis.

    Rings of one pool that come close together are one bell: the worker that hears it rings the next.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = celery_app(settings, publisher=True)
        self._redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=2)
        self._due: set[str] = set()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def ring(self, *pools: str) -> None:
        """Let these pools be rung soon. Returns at once."""
        with self._wake:
            self._due.update(pools)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
                self._thread.start()
            self._wake.notify()

    def answers(self) -> bool:
        """Whether Redis answers at this moment."""
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._due:
                    self._wake.wait()
                pools, self._due = self._due, set()
            for pool in pools:
                self._publish(pool)
            time.sleep(PAUSE_S)

    def _publish(self, pool: str) -> None:
        try:
            if self._redis.llen(pool) < ENOUGH_BELLS:
                self._app.send_task(TASK, queue=pool, retry=False, ignore_result=True)
        except (KombuError, RedisError, OSError) as error:
            log.warning("pool %s was not rung (%s); the sweep will", pool, error)
