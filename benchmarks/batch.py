"""A batch of 10,000 jobs, uploaded as JSON lines, against the same rows written in bulk with nothing around it."""

import http.client
import json
import time
from collections.abc import Iterator
from statistics import median

import psycopg

from benchmarks.installation import KEY, PORT, Installation
from benchmarks.submit import Figure, start_web
from shared import keys

JOBS, ROUNDS = 10_000, 5


def http_upload(place: Installation) -> Iterator[Figure]:
    """Jobs per second from the first byte sent to the answer, and as a ratio to two floors of the same run.

    The floors write the rows of the batch that was just submitted into a bare table with the same columns and one
    index: `executemany` is a bulk INSERT as a client would write it, `copy` is the fastest that Postgres takes.
    """
    keys.create(place.db, place.owner.id, "bench", ("admin",), secret=KEY)
    content = b"".join(
        json.dumps({"steps": number % 100, "mark": "x" * 100}).encode() + b"\n" for number in range(JOBS)
    )
    rates: list[float] = []
    of_insert: list[float] = []
    of_copy: list[float] = []
    web = start_web(place)
    try:
        _upload(content)
        with psycopg.connect(place.postgres.url, autocommit=True) as connection:
            connection.execute(_TABLE)
            columns, rows = _rows(connection)
            for _ in range(ROUNDS):
                inserted, copied = _inserted(connection, columns, rows), _copied(connection, columns, rows)
                seconds = _upload(content)
                rates.append(JOBS / seconds)
                of_insert.append(inserted / seconds)
                of_copy.append(copied / seconds)
    finally:
        web.terminate()
        web.wait(30)
    yield {
        "figure": "batch_jobs_per_s",
        "value": round(median(rates)),
        "of_bulk_insert": round(median(of_insert), 3),
        "range": [round(min(of_insert), 3), round(max(of_insert), 3)],
        "of_bare_copy": round(median(of_copy), 3),
        "seconds_for_10000": round(JOBS / median(rates), 2),
    }


_TABLE = "create table floor (like jobs including defaults, primary key (id))"


def _rows(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[list[str], list[tuple[object, ...]]]:
    """What a batch writes: the columns of its jobs' rows, and the rows, as text."""
    columns = ["id", "owner_id", "kind", "params", "title", "state", "priority", "rank", "pool", "seed", "time_limit_s"]
    columns += ["batch_id", "batch_index"]
    texts = ", ".join(f"{name}::text" for name in columns)
    return columns, connection.execute(f"select {texts} from jobs".encode()).fetchall()


def _inserted(
    connection: psycopg.Connection[tuple[object, ...]], columns: list[str], rows: list[tuple[object, ...]]
) -> float:
    began = time.perf_counter()
    with connection.transaction(), connection.cursor() as cursor:
        values = ", ".join(["%s"] * len(columns))
        cursor.executemany(f"insert into floor ({', '.join(columns)}) values ({values})".encode(), rows)
    return _ended(connection, began)


def _copied(
    connection: psycopg.Connection[tuple[object, ...]], columns: list[str], rows: list[tuple[object, ...]]
) -> float:
    began = time.perf_counter()
    statement = f"copy floor ({', '.join(columns)}) from stdin".encode()
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
    return _ended(connection, began)


def _ended(connection: psycopg.Connection[tuple[object, ...]], began: float) -> float:
    seconds = time.perf_counter() - began
    connection.execute("truncate floor")
    return seconds


def _upload(content: bytes) -> float:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-ndjson"}
    connection.request("POST", "/api/batches/upload?kind=probe", content, headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != http.client.ACCEPTED:
        raise RuntimeError(body.decode(errors="replace"))
    return time.perf_counter() - began
