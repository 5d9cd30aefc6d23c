"""The front door: POST /api/jobs from 16 connections, against a bare INSERT + LPUSH from as many threads."""

import json
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import psycopg
import redis

from benchmarks.installation import KEY, PORT, Installation
from shared import keys

Figure = dict[str, object]

PROCESSES, THREADS = 2, 8
SECONDS = 5.0


def http_submit(place: Installation) -> Iterator[Figure]:
    """Requests per second and latency through granian, as a ratio to the floor without HTTP."""
    keys.create(place.db, place.owner.id, "bench", ("admin",), secret=KEY)
    with psycopg.connect(place.postgres.url) as connection:
        connection.execute(_TABLE)
    floor, _ = _measure(_floor_client, place.postgres.url, place.redis.url)
    web = place.run("web", [*_granian(), "--workers", "2", "--blocking-threads", "8"])
    try:
        _await_port()
        _measure(_http_client, "warm", "up", seconds=1.0)
        rate, times = _measure(_http_client, "", "")
    finally:
        web.terminate()
        web.wait(30)
    yield {
        "figure": "submit_per_s",
        "value": round(rate, 1),
        "of_insert_and_lpush": round(rate / floor, 3),
        "target": ">= 0.35",
        "p50_ms": round(times[len(times) // 2] * 1e3, 2),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 2),
        "connections": PROCESSES * THREADS,
    }


def _granian() -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(PORT), "--backpressure", "64", "--no-ws", "--log-level", "error"]
    return [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "web.serving:create_app", *where]


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
    """Run the client in every thread of every process; requests per second, and the sorted times of each."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float]] = context.Queue()
    work = (client, first, second, seconds, results)
    processes = [context.Process(target=_threads, args=work) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    times = sorted(each for _ in range(PROCESSES * THREADS) for each in results.get(timeout=120))
    for process in processes:
        process.join()
    return len(times) / seconds, times


def _threads(client: Client, first: str, second: str, seconds: float, results: Results) -> None:
    threads = [threading.Thread(target=client, args=(first, second, seconds, results)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


_TABLE = "create table floor (id bigserial primary key, kind text, params jsonb, at timestamptz)"
_INSERT = "insert into floor (kind, params, at) values (%s, %s, now()) returning id"


def _floor_client(database_url: str, redis_url: str, seconds: float, results: Results) -> None:
    times = []
    with psycopg.connect(database_url, autocommit=True) as connection, redis.Redis.from_url(redis_url) as bell:
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            connection.execute(_INSERT, ("probe", json.dumps({"steps": 1}))).fetchone()
            bell.lpush("floor", "x")
            times.append(time.perf_counter() - began)
    results.put(times)


def _http_client(_first: str, _second: str, seconds: float, results: Results) -> None:
    body = json.dumps({"kind": "probe", "params": {"steps": 1}}).encode()
    head = f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request, times = head.encode() + body, []
    with socket.create_connection(("127.0.0.1", PORT), 30) as connection:
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            connection.sendall(request)
            _read_answer(connection)
            times.append(time.perf_counter() - began)
    results.put(times)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 202"):
        raise RuntimeError(head.decode(errors="replace") + rest.decode(errors="replace"))
    lines = (line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
    length = next(int(value) for name, value in lines if name == b"content-length")
    while len(rest) < length:
        rest += _more(connection)


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received
