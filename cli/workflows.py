"""`atelier workflow`: a graph of jobs from one file."""

import json
from pathlib import Path
from typing import Any

import click

from cli import show
from cli.connecting import connect, site_options


@click.group()
def workflow() -> None:
    """A graph of jobs, each using what others made."""


@workflow.command("submit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wait", is_flag=True, help="Wait for the end.")
@click.pass_context
@site_options
def submit(context: click.Context, file: Path, *, wait: bool, url: str | None, key: str | None) -> None:
    """Submit the workflow in FILE, a JSON object: {"title": …, "steps": [{"name": …, "kind": …, "params": …}, …]}

    In params, {"from": STEP, "role": "output", "index": 0} stands for what another step makes.
    """
    try:
        asked = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{file.name} cannot be read as JSON: {error}.") from error
    with connect(url, key) as client:
        made = client.submit_workflow(asked)
        click.echo(made["id"])
        if not wait:
            return
        made = client.ended("workflows", made)
        _print(made)
    context.exit(0 if made["state"] == "succeeded" else 1)


@workflow.command("status")
@click.argument("workflow_id", metavar="WORKFLOW")
@site_options
def status(workflow_id: str, *, url: str | None, key: str | None) -> None:
    """Show how a workflow stands, step by step."""
    with connect(url, key) as client:
        _print(client.standing("workflows", workflow_id))


@workflow.command("list")
@site_options
def list_workflows(*, url: str | None, key: str | None) -> None:
    """List the newest workflows."""
    with connect(url, key) as client:
        found = client.listing("workflows")
    rows = [[each["id"], each["state"], _done(each), each["title"]] for each in found]
    show.table(["workflow", "state", "done", "title"], rows)


@workflow.command("cancel")
@click.argument("workflow_id", metavar="WORKFLOW")
@site_options
def cancel(workflow_id: str, *, url: str | None, key: str | None) -> None:
    """Cancel the rest of a workflow. Steps that run stop at their next step."""
    with connect(url, key) as client:
        _print(client.post(f"/api/workflows/{workflow_id}/cancel"))


@workflow.command("retry")
@click.argument("workflow_id", metavar="WORKFLOW")
@site_options
def retry(workflow_id: str, *, url: str | None, key: str | None) -> None:
    """Submit anew the steps of a workflow that failed or were cancelled."""
    with connect(url, key) as client:
        _print(client.post(f"/api/workflows/{workflow_id}/retry"))


@workflow.command("results")
@click.argument("workflow_id", metavar="WORKFLOW")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@site_options
def results(workflow_id: str, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Download everything that a workflow made. Default: WORKFLOW.zip"""
    file = file or Path(f"{workflow_id}.zip")
    with connect(url, key) as client:
        client.download(f"/api/workflows/{workflow_id}/results.zip", file)
    click.echo(str(file))


def _print(made: dict[str, Any]) -> None:
    click.echo(made["state"])
    rows = [[each["name"], each["kind"], each["state"], each["job_id"], _note(each)] for each in made["steps"]]
    show.table(["step", "kind", "state", "job", ""], rows)


def _done(made: dict[str, Any]) -> str:
    return f"{made['counts']['succeeded']} of {made['total']}"


def _note(step: dict[str, Any]) -> str:
    if step["error"]:
        return str(step["error"]["message"])
    if step["waits_for"]:
        return f"waits for {', '.join(step['waits_for'])}"
    return str(step["progress"]["note"]) if step["state"] == "running" else ""
