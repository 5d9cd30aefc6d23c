"""The pages with a full house behind them, and the API with two hundred pages open before it."""

import asyncio
import http.client
import multiprocessing
import multiprocessing.synchronize
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from statistics import median

from benchmarks import crowd
from benchmarks.installation import KEY, PORT, Installation
from benchmarks.submit import Figure, start_web
from shared import attempts, keys, listing
from shared.job import Progress

TIMES = 200
"""So many requests of each page; the slowest but two is the p99."""

OPEN_PAGES, POLL_S, PULSE_S = 200, 3.0, 0.5
ROUNDS, REQUESTS = 5, 400


def full_house(place: Installation) -> Iterator[Figure]:
    """Milliseconds from request to last byte of each page, one browser asking, with 100,000 jobs in the tables."""
    shown = _addresses() | crowd.fill(place)
    web = _start(place)
    slowest = 0.0
    try:
        visitor = Visitor()
        for name, address in shown.items():
            times = sorted(visitor.get(address) for _ in range(TIMES))
            slowest = max(slowest, times[-3])
            yield {
                "figure": "page_ms",
                "page": name,
                "p50": round(median(times) * 1e3, 1),
                "p99": round(times[-3] * 1e3, 1),
            }
    finally:
        web.terminate()
        web.wait(30)
    yield {"figure": "slowest_page_p99_ms", "value": round(slowest * 1e3, 1), "target": "< 100"}


def open_pages(place: Installation) -> Iterator[Figure]:
    """How much slower the API answers while two hundred people have the page of a job open, and jobs make progress."""
    crowd.fill(place)
    web = _start(place)
    ratios, alone_ms, crowded_ms = [], [], []
    try:
        visitor = Visitor()
        _api_times(visitor)
        for _ in range(ROUNDS):
            alone = _api_times(visitor)
            with _Audience(place, visitor.cookie) as audience:
                crowded = _api_times(visitor)
            streams = audience.streams
            ratios.append(median(crowded) / median(alone))
            alone_ms += alone
            crowded_ms += crowded
    finally:
        web.terminate()
        web.wait(30)
    yield {
        "figure": "api_ms_with_200_open_pages",
        "p50": round(median(crowded_ms) * 1e3, 2),
        "p99": round(sorted(crowded_ms)[int(len(crowded_ms) * 0.99)] * 1e3, 2),
        "alone_p50": round(median(alone_ms) * 1e3, 2),
        "ratio": round(median(ratios), 2),
        "range": [round(min(ratios), 2), round(max(ratios), 2)],
        "target": "<= 1.5",
        "streams": streams,
    }


class Visitor:
    """A browser that is logged in, on one connection."""

    def __init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        self._connection.request("GET", f"/login?key={KEY}")
        answer = self._connection.getresponse()
        answer.read()
        cookie = re.search(r"[^;]+", answer.headers["Set-Cookie"])
        assert cookie is not None
        self.cookie = cookie[0]

    def get(self, address: str) -> float:
        """Seconds until the whole page is there."""
        began = time.perf_counter()
        proof = {"Authorization": f"Bearer {KEY}"} if address.startswith("/api/") else {"Cookie": self.cookie}
        self._connection.request("GET", address, headers=proof)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{address}: {answer.status} {body[:300].decode(errors='replace')}")
        return time.perf_counter() - began


class _Audience:
    """Two hundred pages of jobs, open in a process of their own, while the jobs that run make progress."""

    def __init__(self, place: Installation, cookie: str) -> None:
        waiting, running = crowd.waiting_and_running()
        watched = [(running + waiting)[number % (len(running) * 10)] for number in range(OPEN_PAGES)]
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._streams = context.Value("i", 0)
        self._process = context.Process(target=_watch, args=(watched, cookie, self._stop, self._streams))
        self._pulses = threading.Thread(target=self._pulse, args=(place, running))

    @property
    def streams(self) -> int:
        """How many of the pages had a stream; the others asked every three seconds."""
        return int(self._streams.value)

    def __enter__(self) -> "_Audience":
        self._process.start()
        self._pulses.start()
        time.sleep(POLL_S)  # until every page is open
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join(30)
        self._pulses.join(30)
        if self._process.exitcode != 0:
            raise RuntimeError("the open pages did not last")

    def _pulse(self, place: Installation, running: list[str]) -> None:
        jobs = [listing.get(place.db, place.owner.id, each) for each in running]
        step = 0
        while not self._stop.wait(PULSE_S):
            step += 1
            for job in jobs:
                attempts.pulse(place.db, job, 3600, Progress(step, 10_000, f"Step {step}"))


def _watch(watched: list[str], cookie: str, stop: "multiprocessing.synchronize.Event", streams: object) -> None:
    async def all_pages() -> None:
        pages = [asyncio.create_task(_page(job_id, cookie, streams)) for job_id in watched]
        while not stop.is_set():
            await asyncio.sleep(0.1)
            for page in pages:
                if page.done():
                    page.result()  # a page that fell over makes the measurement worthless: say so
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)

    asyncio.run(all_pages())


async def _page(job_id: str, cookie: str, streams: object) -> None:
    """What the script of an open page does: a stream, and where no seat is free, a question every three seconds."""
    version = ""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        try:
            asked = f"?once={version}" if version else ""
            lines = [f"GET /jobs/{job_id}/live{asked} HTTP/1.1", f"Host: 127.0.0.1:{PORT}", f"Cookie: {cookie}"]
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
            status = await reader.readline()
            if b"event-stream" in await reader.readuntil(b"\r\n\r\n"):
                with streams.get_lock():  # type: ignore[attr-defined]
                    streams.value += 1  # type: ignore[attr-defined]
            while chunk := await reader.read(1 << 16):
                found = re.search(rb"once=([\w-]+)", chunk)
                version = found[1].decode() if found else version
            version = version or "unknown"
            assert status.split()[1] in {b"200", b"204"}, status
        finally:
            writer.close()
        await asyncio.sleep(POLL_S)


def _addresses() -> dict[str, str]:
    return {
        "create": "/",
        "jobs": "/jobs",
        "failed jobs": "/jobs?state=failed",
        "jobs by words": "/jobs?q=number+99",
        "jobs by rare words": "/jobs?q=number+12345",
        "gallery": "/gallery",
        "starred": "/gallery?starred=1",
        "batches": "/batches",
        "schedules": "/schedules",
        "devices": "/devices",
        "models": "/models",
        "keys": "/keys",
    }


def _start(place: Installation) -> subprocess.Popen[bytes]:
    keys.create(place.db, place.owner.id, "bench", ("admin",), secret=KEY)
    return start_web(place)


def _api_times(visitor: Visitor) -> list[float]:
    """Seconds of reads of single jobs and of the list, as a client that polls makes them."""
    waiting, _ = crowd.waiting_and_running()
    return [
        visitor.get(f"/api/jobs/{waiting[turn % len(waiting)]}" if turn % 4 else "/api/jobs?limit=20")
        for turn in range(REQUESTS)
    ]
