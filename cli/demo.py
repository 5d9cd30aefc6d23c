"""The sample jobs of `atelier demo`: one of each sort, through the public API, watched until they are done."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, TaskID

from cli import show
from cli.client import TERMINAL, Artifact, Client, Job
from cli.stack import Stack

SAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "generate_text",
        {"prompt": "In two sentences: why is the sky blue?", "max_new_tokens": 96, "temperature": 0.2, "seed": 3},
    ),
    (
        "generate_code",
        {"prompt": "Write a function that returns the largest of a list of numbers.", "temperature": 0, "seed": 1},
    ),
    ("generate_image", {"prompt": "red apple", "seed": 1}),
    ("generate_speech", {"text": "Welcome to the workshop. Your first jobs are done.", "seed": 1}),
)

POLL_S = 0.4


@dataclass
class _Watched:
    job: Job
    began: float
    bar: TaskID
    seconds: float | None = None


def run(stack: Stack) -> bool:
    """Submit the samples, wait, download what they made; returns whether all succeeded."""
    folder = stack.home.path / "demo"
    folder.mkdir(exist_ok=True)
    with Client(stack.url, stack.key) as client:
        watched = _watch(client, stack)
        click.echo()
        for each in watched:
            _report(client, each, folder)
    return all(each.job["state"] == "succeeded" for each in watched)


def _watch(client: Client, stack: Stack) -> list[_Watched]:
    with show.bars() as bars:
        watched = [_submit(client, bars, kind, params) for kind, params in SAMPLES]
        show.say(f"{len(watched)} sample jobs submitted; waiting for them")
        while pending := [each for each in watched if each.seconds is None]:
            for each in pending:
                _update(client, bars, each)
            stack.tend()
            time.sleep(POLL_S)
    return watched


def _submit(client: Client, bars: Progress, kind: str, params: dict[str, Any]) -> _Watched:
    job = client.submit(kind, params)
    return _Watched(job, time.monotonic(), bars.add_task(kind, total=None, note="queued"))


def _update(client: Client, bars: Progress, watched: _Watched) -> None:
    job = watched.job = client.job(watched.job["id"])
    progress = job["progress"]
    bars.update(watched.bar, completed=progress["done"], total=progress["total"], note=show.note(job))
    if job["state"] in TERMINAL:
        watched.seconds = time.monotonic() - watched.began
        bars.update(watched.bar, completed=1, total=1)
        show.say(f"{job['kind']} {job['state']}")


def _report(client: Client, watched: _Watched, folder: Path) -> None:
    job = watched.job
    ran = job["timings"].get("running_s")
    spent = f"{watched.seconds:.1f} s" + (f", of which {ran:.1f} s running" if ran is not None else "")
    click.echo(f"{job['kind']}: {job['state']} in {spent}")
    if job["error"]:
        click.echo(f"  {job['error']['message']} ({job['error']['code']})")
    for artifact in outputs(job):
        path = folder / f"{job['kind']}-{artifact['name']}"
        client.download(artifact["url"], path)
        click.echo(f"  {path}\n  {client.absolute(artifact['url'])}")


def outputs(job: Job) -> list[Artifact]:
    """What the job was asked to make: no previews and no logs."""
    return [each for each in job["artifacts"] if each["role"] in {"output", "model"}]
