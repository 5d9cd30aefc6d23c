"""`atelier models` and `atelier keys`: what the installation has, and who may use it."""

import click

from cli import show
from cli.connecting import connect, site_options


@click.group()
def models() -> None:
    """The models that jobs may name."""


@models.command("list")
@click.option("--task", help="Only models for this task, for example text-generation.")
@site_options
def list_models(*, task: str | None, url: str | None, key: str | None) -> None:
    """List the models of the library."""
    with connect(url, key) as client:
        rows = [
            [each["name"], each["task"], each["title"], each.get("licence"), each["source"]]
            for each in client.listing("models", task=task)
        ]
    show.table(["name", "task", "title", "licence", "source"], rows)


@models.command("add")
@click.argument("name")
@click.argument("source")
@click.option("--task", required=True, help="text-generation, text-to-image, text-to-speech or upscale.")
@click.option("--revision", help="The commit of a hub model; a hub source needs one.")
@click.option("--file", help="The one file to load, for example a .gguf.")
@click.option("--title", help="What people see. Default: the name.")
@click.option("--licence", help="The licence of the weights.")
@site_options
def add_model(name: str, source: str, *, url: str | None, key: str | None, **described: str | None) -> None:
    """Add a model. SOURCE is folder:/path, hub:org/name, artifact:ID or package:name/folder."""
    body = {"name": name, "source": source} | {field: value for field, value in described.items() if value is not None}
    with connect(url, key) as client:
        added = client.post("/api/models", body)
    click.echo(f"{added['name']} is in the library")


@models.command("show")
@click.argument("name")
@site_options
def show_model(name: str, *, url: str | None, key: str | None) -> None:
    """Show a model, and the versions of one that was trained here; the name stands for the one with a star."""
    with connect(url, key) as client:
        model = client.standing("models", name)
    click.echo(f"{model['name']}: {model['title']}, for {model['task']}, from {model['source']}")
    if not model["versions"]:
        return
    rows = []
    for each in model["versions"]:
        figures, judged = each["figures"], each["figures"].get("judged_by", "")
        now = "*" if each["number"] == model["version"] else ""
        before, after = figures.get("before", {}).get(judged), figures.get("after", {}).get(judged)
        rows.append([f"{each['number']}{now}", judged, before, after, each["lineage"].get("dataset"), each["job_id"]])
    show.table(["version", "judged by", "before", "after", "dataset", "job"], rows)


@models.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@site_options
def promote_model(name: str, version: int, *, url: str | None, key: str | None) -> None:
    """Let the name of a trained model stand for another of its versions."""
    with connect(url, key) as client:
        client.post(f"/api/models/{name}/promote", {"version": version})
    click.echo(f"{name} stands for version {version}")


@models.command("remove")
@click.argument("name")
@site_options
def remove_model(name: str, *, url: str | None, key: str | None) -> None:
    """Take a model out of the library; its files stay where they are."""
    with connect(url, key) as client:
        client.delete(f"/api/models/{name}")
    click.echo(f"{name} is no longer in the library")


@click.group()
def keys() -> None:
    """API keys: shown once, revocable."""


@keys.command("create")
@click.argument("label")
@click.option("--scope", "scopes", multiple=True, help="What the key may do; repeat it. Default: read and write jobs.")
@site_options
def create_key(label: str, *, scopes: tuple[str, ...], url: str | None, key: str | None) -> None:
    """Make a key and show it, this once."""
    body: dict[str, object] = {"label": label}
    if scopes:
        body["scopes"] = list(scopes)
    with connect(url, key) as client:
        click.echo(client.post("/api/keys", body)["secret"])


@keys.command("list")
@site_options
def list_keys(*, url: str | None, key: str | None) -> None:
    """List the keys, without their secrets."""
    with connect(url, key) as client:
        rows = [
            [
                each["id"],
                each["hint"] + "…",
                each["label"],
                ", ".join(each["scopes"]),
                each.get("used_at"),
                "revoked" if each.get("revoked_at") else "",
            ]
            for each in client.listing("keys")
        ]
    show.table(["id", "key", "label", "scopes", "last used", ""], rows)


@keys.command("revoke")
@click.argument("key_id", metavar="KEY_ID")
@site_options
def revoke_key(key_id: str, *, url: str | None, key: str | None) -> None:
    """End a key for good."""
    with connect(url, key) as client:
        client.delete(f"/api/keys/{key_id}")
    click.echo("revoked")
