"""The front door: POST /api/jobs from 16 connections, against a bare INSERT + LPUSH from as many threads."""

import json
import multiprocessing
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median
from typing import TypeAlias, cast

import psycopg
import redis

from benchmarks.installation import KEY, PORT, Installation
from cli.stack import web_arguments
from shared import keys

Figure = dict[str, object]

PROCESSES, CONNECTIONS = 2, 8
ROUNDS, SECONDS = 5, 1.5
"""Floor and site take turns, so that a machine which is now fast and now slow shows in both."""


def http_submit(place: Installation) -> Iterator[Figure]:
    """Requests per second and latency through granian, as a ratio to the floor without HTTP."""
    keys.create(place.db, place.owner.id, "bench", ("admin",), secret=KEY)
    with psycopg.connect(place.postgres.url) as connection:
        connection.execute(_TABLE)
    web = start_web(place)
    rates, ratios, times = [], [], []
    try:
        _measure(_http_client, "warm", "up")
        for _ in range(ROUNDS):
            floor, _ = _measure(_floor_client, place.postgres.url, place.redis.url)
            rate, these = _measure(_http_client, "", "")
            rates.append(rate)
            ratios.append(rate / floor)
            times += these
    finally:
        web.terminate()
        web.wait(30)
    times.sort()
    yield {
        "figure": "submit_per_s",
        "value": round(median(rates), 1),
        "of_insert_and_lpush": round(median(ratios), 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
        "target": ">= 0.35",
        "p50_ms": round(times[len(times) // 2] * 1e3, 2),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 2),
        "connections": PROCESSES * CONNECTIONS,
    }


def start_web(place: Installation) -> subprocess.Popen[bytes]:
    """The site on its port, as `atelier up` serves it, ready to answer."""
    settings = place.settings.model_copy(update={"port": PORT})
    web = place.run("web", [sys.executable, "-m", *web_arguments(settings), "--log-level", "error"])
    _await_port()
    return web


def _await_port() -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the web did not start")


Results: TypeAlias = "multiprocessing.Queue[list[float]]"
Client = Callable[[str, str, float, Results], None]


def _measure(client: Client, first: str, second: str, seconds: float = SECONDS) -> tuple[float, list[float]]:
    """Run the client in each process; requests per second, and the sorted times of each."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float]] = context.Queue()
    processes = [context.Process(target=client, args=(first, second, seconds, results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    times = sorted(each for _ in processes for each in results.get(timeout=120))
    for process in processes:
        process.join()
    return len(times) / seconds, times


_TABLE = "create table floor (id bigserial primary key, kind text, params jsonb, at timestamptz)"
_INSERT = "insert into floor (kind, params, at) values (%s, %s, now()) returning id"


def _floor_client(database_url: str, redis_url: str, seconds: float, results: Results) -> None:
    """As many threads as a server has, each with connections of its own."""
    times: list[float] = []

    def write() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection, redis.Redis.from_url(redis_url) as bell:
            until = time.perf_counter() + seconds
            while (began := time.perf_counter()) < until:
                connection.execute(_INSERT, ("probe", json.dumps({"steps": 1}))).fetchone()
                bell.lpush("floor", "x")
                times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=write) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(times)


def _http_client(_first: str, _second: str, seconds: float, results: Results) -> None:
    """One thread that keeps a request open on each connection: threads would measure their own interpreter."""
    body = json.dumps({"kind": "probe", "params": {"steps": 1}}).encode()
    head = f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request, times, sent = head.encode() + body, [], {}
    with ExitStack() as stack:
        ready = stack.enter_context(selectors.DefaultSelector())
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", PORT), 30))
            connection.settimeout(None)  # with one, each call would ask first whether it may
            ready.register(connection, selectors.EVENT_READ)
            connection.sendall(request)
            sent[connection] = time.perf_counter()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for key, _ in ready.select():
                connection = cast(socket.socket, key.fileobj)
                _read_answer(connection)
                now = time.perf_counter()
                times.append(now - sent[connection])
                connection.sendall(request)
                sent[connection] = now
    results.put(times)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 202"):
        raise RuntimeError(head.decode(errors="replace") + rest.decode(errors="replace"))
    missing = int(_LENGTH.search(head)[1]) - len(rest)  # type: ignore[index]  # every answer says its length
    while missing > 0:
        missing -= len(_more(connection))


_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received
