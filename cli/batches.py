"""`atelier batch`: many jobs from one file."""

from pathlib import Path
from typing import Any

import click

from cli import show
from cli.connecting import connect, site_options
from cli.work import read

_TYPES = {".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson", ".csv": "text/csv", ".tsv": "text/csv"}


@click.group()
def batch() -> None:
    """Many jobs from one file."""


@batch.command("submit")
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("settings", nargs=-1, metavar="KEY=VALUE...")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9; higher goes first. Default: 5.")
@click.option("--title", help="What the batch is called. Default: the first job's title.")
@click.option("--wait", is_flag=True, help="Wait for the end.")
@click.pass_context
@site_options
def submit(
    context: click.Context, kind: str, file: Path, settings: tuple[str, ...], *, priority: int | None,
    title: str | None, wait: bool, url: str | None, key: str | None,
) -> None:  # fmt: skip
    """Submit a job for each line of FILE: JSON objects (.jsonl), or CSV with the settings' names in its first line.

    KEY=VALUE is what all jobs have in common; a line's own values go before it.
    """
    media_type = _TYPES.get(file.suffix.lower())
    if media_type is None:
        raise click.UsageError(f"{file.name} must end in one of {', '.join(_TYPES)}.")
    about = {"kind": kind, "priority": priority, "title": title}
    with connect(url, key) as client:
        made = client.submit_batch(file, media_type, read(kind, settings), about)
        click.echo(made["id"])
        if not wait:
            return
        made = client.ended("batches", made)
        _print(made)
    context.exit(0 if made["state"] == "succeeded" else 1)


@batch.command("status")
@click.argument("batch_id", metavar="BATCH")
@site_options
def status(batch_id: str, *, url: str | None, key: str | None) -> None:
    """Show how a batch stands."""
    with connect(url, key) as client:
        _print(client.standing("batches", batch_id))


@batch.command("list")
@site_options
def list_batches(*, url: str | None, key: str | None) -> None:
    """List the newest batches."""
    with connect(url, key) as client:
        found = client.listing("batches")
    rows = [[each["id"], each["kind"], each["state"], _counts(each), each["title"]] for each in found]
    show.table(["batch", "kind", "state", "jobs", "title"], rows)


@batch.command("cancel")
@click.argument("batch_id", metavar="BATCH")
@site_options
def cancel(batch_id: str, *, url: str | None, key: str | None) -> None:
    """Cancel the rest of a batch. Jobs that run stop at their next step."""
    with connect(url, key) as client:
        _print(client.post(f"/api/batches/{batch_id}/cancel"))


@batch.command("retry")
@click.argument("batch_id", metavar="BATCH")
@click.option("--cancelled", is_flag=True, help="Also those that were cancelled.")
@site_options
def retry(batch_id: str, *, cancelled: bool, url: str | None, key: str | None) -> None:
    """Submit anew the jobs of a batch that failed."""
    query = "?state=failed&state=cancelled" if cancelled else ""
    with connect(url, key) as client:
        _print(client.post(f"/api/batches/{batch_id}/retry{query}"))


@batch.command("results")
@click.argument("batch_id", metavar="BATCH")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@site_options
def results(batch_id: str, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Download what a batch made: FILE.zip holds every output, FILE.jsonl a line for each job. Default: BATCH.zip"""
    file = file or Path(f"{batch_id}.zip")
    if file.suffix not in {".zip", ".jsonl"}:
        raise click.UsageError(f"{file.name} must end in .zip or .jsonl.")
    with connect(url, key) as client:
        client.download(f"/api/batches/{batch_id}/results{file.suffix}", file)
    click.echo(str(file))


def _print(made: dict[str, Any]) -> None:
    click.echo(f"{made['kind']} {made['state']}: {_counts(made)}")


def _counts(made: dict[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in made["counts"].items() if count)
