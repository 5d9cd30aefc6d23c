"""A private Redis (Valkey) and PostgreSQL, run from wheels on unix sockets: real servers, nothing listens on TCP.

PostgreSQL refuses to be root. For root it runs in a user namespace, where it believes it is `nobody` while its files
stay root's; where namespaces are forbidden, as the user `nobody`.
"""

import os
import pwd
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg

from cli import wheels
from cli.home import Home
from cli.processes import Command, Process, can_enter_namespace
from shared.errors import Unavailable

START_S = 60
"""How long a server may take to answer after its start: crash recovery on a slow disk takes a while."""

STOP_S = 20
_POLL_S = 0.02


class Redis:
    """Valkey with an append-only file, so that a restart forgets no bell and no counter."""

    def __init__(self, home: Home, keep: tuple[int, ...] = ()) -> None:
        self._home = home
        self._keep = keep
        self._socket = home.sockets() / "redis.sock"
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}?db=0"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Unavailable: it does not come up; the sentence has its last words.
        """
        data = self._home.path / "redis"
        data.mkdir(exist_ok=True, mode=0o700)
        options: dict[str, str | Path] = {
            "port": "0", "unixsocket": self._socket, "unixsocketperm": "700", "dir": data, "save": "",
            "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "daemonize": "no",
        }  # fmt: skip
        arguments: list[str | Path] = [wheels.valkey_server()]
        for option, value in options.items():
            arguments += [f"--{option}", value]
        self.process = Process(Command("redis", arguments, folder=data, keep=self._keep), self._home.log("redis"))
        _await(self.process, self._answers)

    def stop(self) -> None:
        if self.process:
            self.process.stop(STOP_S)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False


class Postgres:
    """PostgreSQL with its data in the home folder. `options` are settings of the server."""

    def __init__(self, home: Home, keep: tuple[int, ...] = (), options: dict[str, str] | None = None) -> None:
        self._home = home
        self._keep = keep
        self._options = options or {}
        self._data = home.path / "postgres"
        self._sockets = home.sockets()
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return self.url_of("atelier")

    def url_of(self, database: str) -> str:
        """The URL of one database of this server."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._sockets), safe='')}"

    def start(self) -> None:
        """Make the data folder if there is none, start the server, wait until it answers, make the database.

        Raises:
            Unavailable: it does not come up; the sentence has its last words.
        """
        namespace, user = self._identity()
        if user:
            self._give_to(user)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(namespace, user)
        self._remove_stale_pid()
        options = {
            "listen_addresses": "", "unix_socket_directories": str(self._sockets), "unix_socket_permissions": "0700",
            "max_connections": "200", "shared_buffers": "128MB", "log_timezone": "UTC", "timezone": "UTC",
        } | self._options  # fmt: skip
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self.process = self._run("postgres", ["-D", str(self._data), *settings], namespace, user)
        _await(self.process, self._answers)
        self._make_database("atelier")

    def stop(self) -> None:
        """Stop it at once but properly: open transactions are rolled back, the data is on disk."""
        if self.process:
            self.process.stop(STOP_S)

    def _run(self, program: str, arguments: list[str], namespace: bool, user: str | None) -> Process:
        environment = os.environ | {"LC_ALL": "C", "TZ": "UTC"}
        for variable in [name for name in environment if name.startswith("PG")]:
            del environment[variable]
        command = Command(
            "postgres",
            [wheels.postgres_bin() / program, *arguments],
            environment,
            quit_signal=signal.SIGINT,  # to Postgres this means "fast": do not wait for clients to leave
            folder=Path("/"),
            namespace=namespace,
            user=user,
            keep=self._keep,
        )
        return Process(command, self._home.log("postgres"))

    def _identity(self) -> tuple[bool, str | None]:
        """Whether to use a namespace, and the user to run as."""
        if os.geteuid() != 0:
            return False, None
        nobody = pwd.getpwnam("nobody")
        if self._data.exists() and self._data.stat().st_uid == nobody.pw_uid:
            return False, "nobody"
        if can_enter_namespace():
            return True, None
        return False, "nobody"

    def _initialise(self, namespace: bool, user: str | None) -> None:
        """`initdb` into a folder beside, then rename: a start that was cut off leaves no half-made data."""
        making = self._data.with_name("postgres.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if user:
            shutil.chown(making, user)
        arguments = ["-D", str(making), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += ["--no-sync"] if self._options.get("fsync") == "off" else []
        process = self._run("initdb", arguments, namespace, user)
        until = time.monotonic() + START_S
        while process.returncode is None and time.monotonic() < until:
            time.sleep(_POLL_S)
        if process.returncode != 0:
            words = process.last_words()
            process.stop(1)
            raise Unavailable(f"PostgreSQL could not make its data folder {self._data}:\n{words}")
        making.replace(self._data)

    def _give_to(self, user: str) -> None:
        """Let `user` into the folders that it needs.

        Raises:
            Unavailable: a folder above is closed to it, which is not ours to open.
        """
        shutil.chown(self._sockets, user)
        self._home.path.chmod(0o711)
        for folder in [self._home.path.resolve(), wheels.postgres_bin().resolve()]:
            for each in [folder, *folder.parents]:
                if not each.stat().st_mode & 0o001:
                    raise Unavailable(
                        "PostgreSQL does not run as root. This system allows no user namespaces, and the user "
                        f"{user!r} may not enter {each}. Run Atelier as an ordinary user, or set DATABASE_URL."
                    )

    def _remove_stale_pid(self) -> None:
        """After a crash the pid file may name a process that is something else by now; Postgres would refuse."""
        file = self._data / "postmaster.pid"
        try:
            pid = int(file.read_text().split("\n", 1)[0])
            running = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return  # no file, or no such process: Postgres sees that by itself
        if str(self._data).encode() not in running:
            file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_database(self, name: str) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                connection.execute(f'create database "{name}"')


def _await(process: Process, answers: Callable[[], bool]) -> None:
    until = time.monotonic() + START_S
    while process.returncode is None and time.monotonic() < until:
        if answers():
            return
        time.sleep(_POLL_S)
    words = process.last_words()
    process.stop(1)
    raise Unavailable(f"The embedded {process.name} did not start. Its log {process.log} ends with:\n{words}")
