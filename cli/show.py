"""What the command prints: steps, progress bars, tables."""

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.client import Job


def say(sentence: str) -> None:
    """One step, on its own line, out of the way of results."""
    click.echo(f"  {sentence}", err=True)


def bars() -> Progress:
    """Progress bars on the terminal; nothing where there is none."""
    return Progress(
        TextColumn("  {task.description:<16}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def note(job: Job) -> str:
    """What a job is at, in a few words."""
    if job.get("held"):
        return "paused"
    position = job.get("position")
    if job["state"] == "queued" and position and position.get("ahead"):
        return f"queued, {position['ahead']} ahead"
    return str(job["progress"].get("note") or job["state"])[:60]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under headings, on standard output."""
    if not sys.stdout.isatty():  # for other programs: tabs, nothing cut off
        for row in rows:
            click.echo("\t".join("" if each is None else str(each) for each in row))
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*("" if each is None else str(each) for each in row))
    Console().print(made)
