"""What one installation runs on this machine: services, site, beat and workers, started and stopped in order."""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from cli import owner
from cli.embedded import Postgres, Redis
from cli.home import Home
from cli.processes import Command, Process
from migrations.upgrade import upgrade
from shared import library
from shared.db import Database
from shared.errors import Conflict, Unavailable
from shared.settings import Settings

WEB_PROCESSES = 2
WEB_THREADS = 32
"""Threads of each web process. An open event stream or long poll holds one, so there are more than cores."""

READY_S = 90
PROMPT_DRAIN_S = 10.0
"""How long a running job may go on after Ctrl-C before it is put back, unless ATELIER_DRAIN_S says otherwise."""

LONG_LIFE_S = 60.0
MAX_DELAY_S = 30.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass
class Part:
    """One of our own processes, and when it may be started again if it keeps dying."""

    command: Command
    patience_s: float
    process: Process | None = None
    started_at: float = 0.0
    deaths: int = 0
    again_at: float | None = None

    def launch(self, log: Path) -> None:
        """Start it, after killing what an earlier process of it may have left in its session."""
        if self.process:
            self.process.kill()
        self.process = Process(self.command, log)
        self.started_at, self.again_at = time.monotonic(), None

    def is_due(self) -> bool:
        """Whether it has died and may start again: later and later if it dies young."""
        if self.process is None or self.process.returncode is None:
            return False
        now = time.monotonic()
        if self.again_at is None:
            self.deaths = self.deaths + 1 if now - self.started_at < LONG_LIFE_S else 1
            self.again_at = now + min(2.0 ** (self.deaths - 1), MAX_DELAY_S)
        return now >= self.again_at


class Stack:
    """The processes of one home folder. `say` gets a short sentence for each step."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.home = Home(settings.home)
        self.key = ""
        self._say = say
        if "drain_s" not in settings.model_fields_set:
            settings = settings.model_copy(update={"drain_s": PROMPT_DRAIN_S})
        self.settings = settings
        self._redis: Redis | None = None
        self._postgres: Postgres | None = None
        self._parts: list[Part] = []

    @property
    def url(self) -> str:
        return self.settings.url

    def start(self) -> None:
        """Start every part; returns when the site answers that it is ready.

        Raises:
            AtelierError: a part cannot be started; the sentence says which and what to do.
        """
        self.home.make()
        lock = self.home.lock()
        check_key(self.settings)
        check_port(self.settings)
        self._start_services(lock)
        self._say("bringing the database to the newest schema")
        self.key = prepare(self.settings, self.home)
        environment = environment_of(self.settings)
        for part in parts(environment, self.settings):
            self._say(f"starting {part.command.name}")
            self._parts.append(part)
            part.launch(self._log(part))
        self._await_ready()

    def tend(self) -> None:
        """Start again what has died; call it every now and then."""
        for service in (self._redis, self._postgres):
            if service and service.process and service.process.returncode is not None:
                self._say(f"{service.process.name} had ended; starting it again")
                service.start()
        for part in self._parts:
            if part.is_due():
                self._say(f"{part.command.name} had ended; starting it again. Its log: {self._log(part)}")
                part.launch(self._log(part))

    def run(self) -> None:
        """Keep everything running until interrupted."""
        while True:
            self.tend()
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop everything in order; a second interruption stops it at once."""
        if self._parts:
            self._say(f"stopping; a running job has {self.settings.drain_s:.0f} s, else it goes on at the next start")
        try:
            for part in self._parts:
                if part.process:
                    part.process.stop(part.patience_s)
            for service in (self._redis, self._postgres):
                if service:
                    service.stop()
        except KeyboardInterrupt:
            self._say("stopping at once")
            for process in [part.process for part in self._parts]:
                if process:
                    process.kill()
            for service in (self._redis, self._postgres):
                if service:
                    service.stop()

    def _start_services(self, lock: int) -> None:
        if not self.settings.redis_url:
            self._say("starting Redis")
            self._redis = Redis(self.home, (lock,))
            self._redis.start()
            self.settings = self.settings.model_copy(update={"redis_url": self._redis.url})
        if not self.settings.database_url:
            self._say("starting Postgres")
            self._postgres = Postgres(self.home, (lock,))
            self._postgres.start()
            self.settings = self.settings.model_copy(update={"database_url": self._postgres.url})

    def _log(self, part: Part) -> Path:
        return self.home.log(part.command.name)

    def _await_ready(self) -> None:
        self._say("waiting for the site")
        until = time.monotonic() + READY_S
        with httpx2.Client(base_url=local_url(self.settings), timeout=5, trust_env=False) as client:
            while time.monotonic() < until:
                for part in self._parts:
                    if part.process and part.process.returncode is not None:
                        raise Unavailable(
                            f"{part.command.name} ended with status {part.process.returncode}. "
                            f"Its log {part.process.log} ends with:\n{part.process.last_words()}"
                        )
                try:
                    if client.get("/readyz").status_code == httpx2.codes.OK:
                        return
                except httpx2.HTTPError:
                    pass  # not listening yet
                time.sleep(0.1)
        raise Unavailable(f"The site did not become ready within {READY_S} s. See {self.home.log('web')}.")


def prepare(settings: Settings, home: Home) -> str:
    """Bring the database to the newest schema, with the owner's key and the starter models; returns the key."""
    upgrade(settings.database_url)
    db = Database(settings.database_url)
    try:
        library.ensure_starters(db)
        return owner.ensure_key(db, settings, home)
    finally:
        db.dispose()


def parts(environment: dict[str, str], settings: Settings) -> list[Part]:
    """Our own processes, in the order in which they start and stop."""
    here = Path(__file__).parents[1]

    def part(name: str, arguments: list[str], patience_s: float) -> Part:
        return Part(Command(name, [sys.executable, "-m", *arguments], environment, folder=here), patience_s)

    return [
        part("web", web_arguments(settings), 15),
        part("beat", ["worker.beat"], 15),
        part("worker", ["worker"], settings.drain_s + 20),
    ]


def web_arguments(settings: Settings) -> list[str]:
    """The module that serves the site, and its arguments."""
    arguments = ["granian", "--interface", "wsgi", "--factory", "--no-ws", "--host", settings.host]
    arguments += ["--port", str(settings.port), "--workers", str(WEB_PROCESSES)]
    # Threads mostly wait for a stream's next event; only so many requests at a time may compete for the interpreter.
    arguments += ["--blocking-threads", str(WEB_THREADS), "--backpressure", str(WEB_THREADS)]
    arguments += ["--respawn-failed-workers", "--workers-kill-timeout", "5", "web.serving:create_app"]
    return arguments


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment that gives a child exactly these settings."""
    return os.environ | {
        "ATELIER_HOME": str(settings.home),
        "ATELIER_HOST": settings.host,
        "ATELIER_PORT": str(settings.port),
        "ATELIER_DRAIN_S": str(settings.drain_s),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "STORAGE_URL": settings.storage,
        "PYTHONUNBUFFERED": "1",
    }


def local_url(settings: Settings) -> str:
    """Where this machine reaches the site."""
    host = {"0.0.0.0": "localhost", "::": "localhost", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{host}:{settings.port}"


def check_key(settings: Settings) -> None:
    """Raises Conflict where others could reach the site and nobody chose its key."""
    if settings.host not in LOOPBACK and not settings.api_key:
        raise Conflict(
            f"ATELIER_HOST is {settings.host}: others could reach the site. Choose its key first: set ATELIER_API_KEY "
            "to at least 16 characters that nobody can guess."
        )


def check_port(settings: Settings) -> None:
    """Raises Conflict where the site cannot listen."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Conflict(
            f"Port {settings.port} of {settings.host} cannot be used: {error.strerror}. Stop what uses it, or choose "
            "another port with ATELIER_PORT."
        ) from error
