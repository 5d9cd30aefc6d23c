"""The real services that tests run against: Postgres and Redis as the installation starts them, and an S3 server."""

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import uuid4

import obstore
import psycopg
from obstore.store import S3Store

from cli import wheels
from cli.embedded import Postgres, Redis
from cli.home import Home
from cli.processes import Command, Process
from migrations.upgrade import upgrade

_numbers = count(1)


class Services:
    """Postgres with a migrated template database, and Redis with sixteen databases."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.make()
        # The disk has no say in the speed of the tests; a server that is killed still loses nothing.
        self.postgres = Postgres(self.home, options={"fsync": "off", "full_page_writes": "off"})
        self.redis = Redis(self.home)

    def start(self) -> None:
        self.redis.start()
        self.postgres.start()
        upgrade(self.postgres.url)

    def stop(self) -> None:
        self.postgres.stop()
        self.redis.stop()

    def new_database(self) -> str:
        """A fresh migrated database; returns its name."""
        name = f"test_{next(_numbers)}"
        # A copy of the files takes a third of the time of the default, which goes through the log.
        self._execute(f"create database {name} template atelier strategy file_copy")
        return name

    def drop_database(self, name: str) -> None:
        self._execute(f"drop database if exists {name} with (force)")

    def redis_url(self, number: int) -> str:
        return self.redis.url.replace("db=0", f"db={number}")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url_of("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True)
class S3:
    """A running S3 server and what a client needs to reach it."""

    process: Process
    environment: dict[str, str]
    bucket: str = "atelier"

    def new_url(self) -> str:
        """A place of its own in the bucket."""
        return f"s3://{self.bucket}/{uuid4().hex[:12]}"


def start_s3(folder: Path) -> S3:
    """SeaweedFS on loopback ports of its own; returns when its bucket is there."""
    names = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
    names += ["filer.port", "filer.port.grpc", "admin.port"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    environment = {
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": f"http://127.0.0.1:{ports['s3.port']}",
        "AWS_ALLOW_HTTP": "true",
    }
    options = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    options += [f"-{name}={port}" for name, port in ports.items()]
    command = Command(
        "s3",
        [wheels.weed(), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options],
        os.environ | environment | {"GOMEMLIMIT": "256MiB"},
        folder=folder,
    )
    s3 = S3(Process(command, folder / "s3.log"), environment)
    _await_bucket(s3)
    return s3


def _await_bucket(s3: S3) -> None:
    store = S3Store(
        s3.bucket,
        endpoint=s3.environment["AWS_ENDPOINT"],
        access_key_id=s3.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=s3.environment["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "connect_timeout": "1s", "timeout": "5s"},
        retry_config={"max_retries": 0},
    )
    until = time.monotonic() + 60
    while True:
        try:
            obstore.put(store, "ready", b"yes")  # the server makes the bucket
        except obstore.exceptions.BaseError:
            if s3.process.returncode is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server did not start:\n{s3.process.last_words()}") from None
            time.sleep(0.1)
        else:
            return


def free_ports(number: int) -> list[int]:
    """Ports of the loopback address that nobody uses just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
