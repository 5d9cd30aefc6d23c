"""`atelier pause`, `resume`, `keep` and `curves`: a training from the command line."""

from collections.abc import Sequence
from itertools import pairwise

import click

from cli import show
from cli.client import Job
from cli.connecting import connect, site_options

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 32


@click.command()
@click.argument("job_id", metavar="JOB")
@site_options
def pause(job_id: str, *, url: str | None, key: str | None) -> None:
    """Pause a training. It saves where it is and makes room until it is resumed."""
    with connect(url, key) as client:
        job = client.ask_training(job_id, "pause")
    click.echo("paused" if job.get("held") else f"{job['state']}; it pauses at the end of its step")


@click.command()
@click.argument("job_id", metavar="JOB")
@site_options
def resume(job_id: str, *, url: str | None, key: str | None) -> None:
    """Let a paused training go on."""
    with connect(url, key) as client:
        click.echo(client.ask_training(job_id, "resume")["state"])


@click.command()
@click.argument("job_id", metavar="JOB")
@site_options
def keep(job_id: str, *, url: str | None, key: str | None) -> None:
    """Stop a training and keep what it has learned."""
    with connect(url, key) as client:
        job: Job = client.ask_training(job_id, "keep")
    click.echo("succeeded" if job["state"] == "succeeded" else f"{job['state']}; it stops and keeps what it has")


@click.command("curves")
@click.argument("job_id", metavar="JOB")
@site_options
def show_curves(job_id: str, *, url: str | None, key: str | None) -> None:
    """Show the curves of a training: where each began, its bounds, where it is, and its shape."""
    with connect(url, key) as client:
        found = client.curves(job_id)
    rows = []
    for name, points in found.items():
        values = [value for _, value in points]
        figures = (f"{value:.4g}" for value in (values[0], min(values), max(values), values[-1]))
        rows.append([name, points[-1][0], *figures, sparkline(values)])
    show.table(["curve", "step", "first", "lowest", "highest", "last", "shape"], rows)


def sparkline(values: Sequence[float]) -> str:
    """The shape of a curve in so many characters at most, each the mean of its stretch."""
    width = min(_WIDTH, len(values))
    ends = [len(values) * place // width for place in range(width + 1)]
    means = [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(ends)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)
