"""`atelier up`, `demo`, `serve` and `migrate`: start an installation, show it off, run its parts one by one."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from cli import demo as samples
from cli import show
from cli.embedded import Postgres
from cli.home import Home
from cli.stack import Stack, check_key, prepare, web_arguments
from shared.settings import Settings


@click.command()
def up() -> None:
    """Start everything and keep it running: site, workers, beat, and the services that no URL names."""
    with _running(Settings()) as stack:
        _welcome(stack)
        stack.run()


@click.command()
@click.option(
    "--once", is_flag=True, help="Stop everything after the jobs; the exit status says whether all succeeded."
)
@click.pass_context
def demo(context: click.Context, *, once: bool) -> None:
    """Start everything, run one text, one code, one image and one speech job, and keep serving."""
    succeeded = False
    with _running(Settings()) as stack:
        if not once:
            _welcome(stack)
        succeeded = samples.run(stack)
        if not once:
            _welcome(stack)
            stack.run()
    context.exit(0 if succeeded else 1)


@click.command()
def serve() -> None:
    """Run the site alone, against the services that the environment names: a deployment's web process."""
    settings = Settings()
    check_key(settings)
    os.execv(sys.executable, [sys.executable, "-m", *web_arguments(settings)])  # noqa: S606 - there is no shell in it


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema, with the owner's key and the starter models. Every start does it too."""
    settings = Settings()
    home = Home(settings.home)
    home.make()
    if settings.database_url:
        prepare(settings, home)
    else:
        postgres = Postgres(home, (home.lock(),))
        try:
            postgres.start()
            prepare(settings.model_copy(update={"database_url": postgres.url}), home)
        finally:
            postgres.stop()
    click.echo("The database has the newest schema.")


@contextmanager
def _running(settings: Settings) -> Iterator[Stack]:
    """A started stack; stopped in order at the end of the block, by Ctrl-C, or by SIGTERM."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    show.say(f"state lives in {settings.home}")
    stack = Stack(settings, show.say)
    try:
        stack.start()
        yield stack
    except KeyboardInterrupt:
        click.echo(err=True)
    finally:
        stack.stop()
        show.say("stopped")


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _welcome(stack: Stack) -> None:
    click.echo(f"\n  Atelier is ready:  {stack.url}/login?key={stack.key}")
    click.echo(f"  Logs are in {stack.home.logs}. Ctrl-C stops everything.\n")
