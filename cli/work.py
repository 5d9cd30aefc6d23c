"""`atelier submit`, `status`, `jobs`, `cancel` and `kinds`: jobs from the command line."""

import json
from pathlib import Path
from typing import Any

import click

from cli import show
from cli.client import TERMINAL, WAIT_S, Client, Job
from cli.connecting import connect, site_options
from cli.demo import outputs
from shared import kinds
from shared.ids import is_id


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, path_type=Path))
@site_options
def upload(files: tuple[Path, ...], *, url: str | None, key: str | None) -> None:
    """Upload files to be the inputs of jobs, and print the id of each."""
    with connect(url, key) as client:
        for file in files:
            click.echo(client.upload(file)["id"])


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("kind")
@click.argument("settings", nargs=-1, metavar="KEY=VALUE...")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9; higher goes first. Default: 5.")
@click.option("--wait", is_flag=True, help="Wait for the end and download what was made into this folder.")
@click.pass_context
@site_options
def submit(
    context: click.Context, kind: str, settings: tuple[str, ...], *, priority: int | None, wait: bool,
    url: str | None, key: str | None,
) -> None:  # fmt: skip
    """Submit a job: atelier submit generate_text prompt="a haiku" temperature=0.7

    VALUE may be @FILE to read it from a file, and --KEY VALUE stands for KEY=VALUE. Where a key names a file to work
    on, a path uploads it first: atelier submit transcribe_audio --audio talk.mp3. `atelier kinds KIND` lists the keys.
    """
    words = _joined(settings)
    paths = _paths(kind, words)
    parse(kind, tuple(_with_refs(words, dict.fromkeys(paths, _ANY_REF))))  # what is wrong is told before a file is sent
    with connect(url, key) as client:
        refs = {name: client.upload(path)["id"] for name, path in paths.items()}
        params = parse(kind, tuple(_with_refs(words, refs)))
        job = client.submit(kind, params, priority)
        click.echo(job["id"])
        if not wait:
            return
        while job["state"] not in TERMINAL:
            job = client.job(job["id"], WAIT_S)
        _print(client, job)
        for artifact in outputs(job):
            client.download(artifact["url"], _free(Path(artifact["name"]).name))
    context.exit(0 if job["state"] == "succeeded" else 1)


@click.command()
@click.argument("job_id", metavar="JOB")
@site_options
def status(job_id: str, *, url: str | None, key: str | None) -> None:
    """Show a job: its state, progress, error and artifacts."""
    with connect(url, key) as client:
        _print(client, client.job(job_id))


@click.command("jobs")
@click.option("--state", help="Only jobs in this state.")
@click.option("--kind", help="Only jobs of this kind.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@site_options
def list_jobs(*, state: str | None, kind: str | None, limit: int, url: str | None, key: str | None) -> None:
    """List the newest jobs."""
    with connect(url, key) as client:
        rows = [
            [job["id"], job["kind"], job["state"], show.note(job), job.get("title")]
            for job in client.jobs(state=state, kind=kind, limit=limit)
        ]
    show.table(["job", "kind", "state", "progress", "title"], rows)


@click.command()
@click.argument("job_id", metavar="JOB")
@site_options
def cancel(job_id: str, *, url: str | None, key: str | None) -> None:
    """Cancel a job. One that runs stops at its next step."""
    with connect(url, key) as client:
        job = client.cancel(job_id)
    click.echo("cancelled" if job["state"] == "cancelled" else f"{job['state']}; it stops at its next step")


@click.command("kinds")
@click.argument("kind", required=False)
def list_kinds(kind: str | None) -> None:
    """List the kinds of job, or the settings of one KIND."""
    if kind is None:
        show.table(["kind", "what it does"], [[name, kinds.params_class(name).summary] for name in kinds.names()])
        return
    fields = kinds.schema(kind)["properties"]
    rows = [
        [name, about.get("default"), about.get("description", about.get("title"))] for name, about in fields.items()
    ]
    show.table(["setting", "default", "meaning"], rows)


def parse(kind: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """Params from KEY=VALUE words, checked here already where the kind is known here.

    Raises:
        Invalid: a value is wrong; the sentence names the field.
    """
    values = read(kind, settings)
    if kind not in kinds.names():  # the server may know it
        return values
    return kinds.validate(kind, values, strict=False).model_dump(mode="json", exclude_unset=True)


def read(kind: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """Params from KEY=VALUE words, as the types of the kind's fields and not checked."""
    fields = kinds.schema(kind)["properties"] if kind in kinds.names() else {}
    written = dict(_pair(word) for word in settings)
    return {name: _value(fields.get(name, {}), text) for name, text in written.items()}


_ANY_REF = "art_" + "0" * 26


def _joined(settings: tuple[str, ...]) -> list[str]:
    """The words as KEY=VALUE, those that were written `--key value` too."""
    found: list[str] = []
    rest = iter(settings)
    for word in rest:
        if not word.startswith("--"):
            found.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = next(rest, "")
            if not value:
                raise click.UsageError(f"--{name} needs a value.")
        found.append(f"{name.replace('-', '_')}={value}")
    return found


def _paths(kind: str, words: list[str]) -> dict[str, Path]:
    """The files that stand where the kind takes an artifact: what is the id of one is left as it is."""
    media = kinds.params_class(kind).input_media() if kind in kinds.names() else {}
    found = {}
    for name, equals, value in (word.partition("=") for word in words):
        if name in media and equals and not is_id(value):
            path = Path(value.removeprefix("@")).expanduser()
            if not path.is_file():
                raise click.UsageError(f"{name}: there is no file {value!r}.")
            found[name] = path
    return found


def _with_refs(words: list[str], refs: dict[str, str]) -> list[str]:
    names = [word.partition("=")[0] for word in words]
    return [f"{name}={refs[name]}" if name in refs else word for name, word in zip(names, words, strict=True)]


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{word!r} is not of the form key=value.")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text()
        except OSError as error:
            raise click.UsageError(f"{value[1:]} cannot be read: {error.strerror}.") from error
    return name, value


def _value(field: dict[str, Any], text: str) -> Any:
    """Text as the field takes it; `base=` gives nothing, where nothing may be given."""
    if not text and any(each.get("type") == "null" for each in field.get("anyOf", [])):
        return None
    return text if _is_text(field) else _json_or_text(text)


def _is_text(field: dict[str, Any]) -> bool:
    return "string" in {field.get("type"), *(each.get("type") for each in field.get("anyOf", []))}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _print(client: Client, job: Job) -> None:
    click.echo(f"{job['kind']} {job['state']}")
    if job["state"] not in TERMINAL:
        progress = job["progress"]
        total = f" of {progress['total']}" if progress["total"] else ""
        click.echo(f"  {show.note(job)}, step {progress['done']}{total}")
    if job["error"]:
        click.echo(f"  {job['error']['message']} ({job['error']['code']})")
    for name, value in sorted(job["metrics"].items()):
        click.echo(f"  {name}: {value:g}")
    for artifact in job["artifacts"]:
        click.echo(f"  {artifact['role']}: {artifact['name']}, {client.absolute(artifact['url'])}")


def _free(name: str) -> Path:
    """A file of this name in the working folder; numbered where there is one already."""
    path, number = Path(name or "artifact"), 1
    while path.exists():
        number += 1
        path = Path(name).with_stem(f"{Path(name).stem}-{number}")
    return path
