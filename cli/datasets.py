"""`atelier datasets` and `atelier dataset`: data to train on, checked row by row."""

from pathlib import Path
from typing import Any

import click

from cli import show
from cli.client import Client
from cli.connecting import connect, site_options
from cli.work import read
from shared.errors import AtelierError

_KIND = "check_dataset"
_WAIT_S = 30
_TERMINAL = {"succeeded", "failed", "cancelled"}


@click.command("datasets")
@click.option("--format", "format_", help="Only datasets of this format, for example chat.")
@site_options
def list_datasets(*, format_: str | None, url: str | None, key: str | None) -> None:
    """List your datasets."""
    with connect(url, key) as client:
        rows = [_row(each) for each in client.listing("datasets", format=format_)]
    show.table(["name", "version", "format", "train", "validation", "test", "made"], rows)


@click.group()
def dataset() -> None:
    """Make, show and delete datasets."""


@dataset.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="What it is called. A name that is there gets a new version.")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@site_options
def add(file: Path, name: str, settings: tuple[str, ...], *, url: str | None, key: str | None) -> None:
    """Upload FILE, check it row by row, and make a dataset of its good rows.

    Settings are those of the kind check_dataset: format=chat, validation=0.2, max_length=1024, strict=true …
    """
    with connect(url, key) as client:
        sent = client.upload(file)
        params = {"name": name, "source": sent["id"], **read(_KIND, settings)}
        job = client.submit(_KIND, params)
        while job["state"] not in _TERMINAL:
            job = client.job(job["id"], wait_s=_WAIT_S)
        if job["error"]:
            raise AtelierError(job["error"]["message"], code=job["error"]["code"])
        made = _named(client, name)
    click.echo(f"{made['latest']['ref']}: {_told(made)}")
    bad = job["metrics"].get("rows_bad", 0)
    if bad:
        click.echo(f"{bad:g} rows were left out: problems.csv of {job['id']} names each.")


@dataset.command("show")
@click.argument("name")
@site_options
def show_dataset(name: str, *, url: str | None, key: str | None) -> None:
    """Show the versions of a dataset, and what the check of each found."""
    with connect(url, key) as client:
        made = client.standing("datasets", name)
    click.echo(f"{made['name']}: {_told(made)}")
    for version in made["versions"]:
        problems = version["report"].get("problems", {})
        found = f"{problems.get('errors', 0)} errors, {problems.get('warnings', 0)} warnings"
        click.echo(f"  {version['ref']}  {version['rows']} rows, {found}, {version['sha256'][:12]}")
        for rule in problems.get("by_rule", []):
            click.echo(f"    {rule['count']} × {rule['rule']}: {rule['fix']}")


@dataset.command("remove")
@click.argument("name")
@site_options
def remove(name: str, *, url: str | None, key: str | None) -> None:
    """Delete a dataset with all its versions; models that were trained on it stay."""
    with connect(url, key) as client:
        client.delete(f"/api/datasets/{name}")
    click.echo(f"{name} is deleted")


def _named(client: Client, name: str) -> dict[str, Any]:
    return client.standing("datasets", name)


def _told(made: dict[str, Any]) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in made["latest"]["splits"].items() if count)
    return f"{made['latest']['format']}, {splits}"


def _row(each: dict[str, Any]) -> list[Any]:
    latest = each["latest"]
    splits = [latest["splits"].get(split, 0) for split in ("train", "validation", "test")]
    return [each["name"], latest["number"], latest["format"], *splits, each["created_at"]]
