"""The public HTTP API as this command uses it: the same door that every other client goes through."""

import json
import mimetypes
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast
from uuid import uuid4

import httpx2

from shared.complaints import sentence as sentence_of
from shared.errors import AtelierError, Unavailable

TERMINAL = {"succeeded", "failed", "cancelled"}

WAIT_S = 50
"""Longest that one request asks the server to wait for a change, in seconds; the server allows 60."""

POLL_S = 2.0
"""Between two looks at what the server does not let a request wait for."""

UPLOAD_S = 400
"""Longest that a file may take to be sent and looked at, in seconds: a film is written anew."""


class Artifact(TypedDict):
    """What a job made."""

    id: str
    role: str
    name: str
    media_type: str
    size: int
    sha256: str
    url: str


class Progress(TypedDict):
    """How far a job is."""

    done: int
    total: int | None
    note: str
    text: NotRequired[str | None]


class Failure(TypedDict):
    """Why a job failed."""

    code: str
    message: str


class Job(TypedDict):
    """A job as the API tells it; what this command does not use is left out."""

    id: str
    kind: str
    state: str
    progress: Progress
    position: dict[str, Any] | None
    attempt: int
    device: str | None
    timings: dict[str, Any]
    metrics: dict[str, float]
    error: Failure | None
    artifacts: list[Artifact]
    title: NotRequired[str | None]
    held: NotRequired[bool]


class Client:
    """A connection to one site with one key."""

    def __init__(self, url: str, key: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
            timeout=httpx2.Timeout(WAIT_S + 15, connect=5),
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, kind: str, params: dict[str, Any], priority: int | None = None) -> Job:
        """Send a job; asking again with the same idempotency key after a broken connection makes no second one."""
        body: dict[str, Any] = {"kind": kind, "params": params}
        if priority is not None:
            body["priority"] = priority
        return cast(Job, self._submit("/api/jobs", body))

    def submit_workflow(self, asked: Any) -> dict[str, Any]:
        """Send a graph of jobs, as safe to ask again."""
        return cast(dict[str, Any], self._submit("/api/workflows", asked))

    def job(self, job_id: str, wait_s: int = 0) -> Job:
        """A job; with `wait_s`, the answer waits that long for the job to end."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return cast(Job, self._ask("GET", f"/api/jobs/{job_id}", headers=headers))

    def jobs(self, **filters: str | int | None) -> list[Job]:
        """The newest jobs."""
        query = {name: value for name, value in filters.items() if value is not None}
        return cast(list[Job], self._ask("GET", "/api/jobs", params=query)["jobs"])

    def cancel(self, job_id: str) -> Job:
        return cast(Job, self._ask("POST", f"/api/jobs/{job_id}/cancel"))

    def ask_training(self, job_id: str, asked: str) -> Job:
        """Pause, resume or keep."""
        return cast(Job, self._ask("POST", f"/api/jobs/{job_id}/{asked}"))

    def curves(self, job_id: str) -> dict[str, list[tuple[int, float]]]:
        """The points of a training by name."""
        return cast(dict[str, list[tuple[int, float]]], self._ask("GET", f"/api/jobs/{job_id}/points"))

    def listing(self, name: str, **query: str | None) -> list[dict[str, Any]]:
        """Everything under /api/NAME."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return cast(list[dict[str, Any]], self._ask("GET", f"/api/{name}", params=wanted)[name])

    def submit_batch(
        self, file: Path, media_type: str, params: dict[str, Any], about: dict[str, str | int | None]
    ) -> dict[str, Any]:
        """Send a file of jobs, a chunk at a time; asking again with the same idempotency key makes no second batch."""
        query = {name: value for name, value in about.items() if value is not None} | {"params": json.dumps(params)}
        headers = {"Content-Type": media_type, "Idempotency-Key": uuid4().hex}
        for last in (False, True):
            try:
                with file.open("rb") as content:
                    return cast(
                        dict[str, Any],
                        self._ask("POST", "/api/batches/upload", params=query, headers=headers, content=content),
                    )
            except _ConnectionLostError:
                if last:
                    raise
        raise AssertionError

    def upload(self, file: Path) -> dict[str, Any]:
        """Send a file to be the input of jobs; the same bytes again are the same upload."""
        headers = {"Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream"}
        if headers["Content-Type"].startswith("application/"):
            headers["Content-Type"] = "application/octet-stream"  # the server looks at the name and the bytes
        for last in (False, True):
            try:
                with file.open("rb") as content:
                    return cast(
                        dict[str, Any],
                        self._ask(
                            "POST",
                            "/api/uploads",
                            params={"name": file.name},
                            headers=headers | {"Content-Length": str(file.stat().st_size)},
                            content=content,
                            timeout=httpx2.Timeout(UPLOAD_S, connect=5),
                        ),
                    )
            except _ConnectionLostError:
                if last:
                    raise
        raise AssertionError

    def standing(self, name: str, each: str) -> dict[str, Any]:
        """How one of the batches or workflows, as NAME says, stands."""
        return cast(dict[str, Any], self._ask("GET", f"/api/{name}/{each}"))

    def ended(self, name: str, made: dict[str, Any]) -> dict[str, Any]:
        """How a batch or a workflow stands once it has ended."""
        while made["state"] in {"queued", "running"}:
            time.sleep(POLL_S)
            made = self.standing(name, made["id"])
        return made

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return cast(dict[str, Any], self._ask("POST", path, json=body))

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def absolute(self, url: str) -> str:
        """An address as a person can open it."""
        return url if url.startswith("http") else f"{self._url}{url}"

    def download(self, url: str, path: Path) -> None:
        """Save an artifact, a chunk at a time."""
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as file:
            for chunk in self._stream(url):
                file.write(chunk)
        partial.replace(path)

    def _stream(self, url: str) -> Iterator[bytes]:
        # The store may be elsewhere and sign its own addresses: follow, without our key in the headers.
        try:
            with self._http.stream("GET", url, follow_redirects=True) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                yield from response.iter_bytes()
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _submit(self, path: str, body: Any) -> Any:
        headers = {"Idempotency-Key": uuid4().hex}
        try:
            return self._ask("POST", path, json=body, headers=headers)
        except _ConnectionLostError:
            return self._ask("POST", path, json=body, headers=headers)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refusal(response)
        return response.json() if response.content else {}

    def _unreachable(self, error: httpx2.TransportError) -> AtelierError:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Unavailable(
                f"Nothing answers at {self._url}. Start the site with `atelier up`, or name another with --url."
            )
        return _ConnectionLostError(f"The connection to {self._url} broke off: {error}")


class _ConnectionLostError(Unavailable):
    """The request may or may not have arrived."""


def _refusal(response: httpx2.Response) -> AtelierError:
    """The server's problem+json as one sentence for each wrong field."""
    try:
        problem = response.json()
        sentence = str(problem.get("detail") or problem.get("title"))
        code = str(problem.get("code", "refused"))
        told = problem.get("errors") or []
        wrong = [f"  {sentence_of(each)}" for each in told if each.get("field") or each.get("line")]
    except (ValueError, AttributeError, KeyError, TypeError):
        return AtelierError(f"The server answered {response.status_code} {response.reason_phrase}.", code="refused")
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        sentence += " Give one with --key or ATELIER_API_KEY."
    return AtelierError("\n".join([sentence, *wrong]), code=code)
