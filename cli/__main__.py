"""The entry point of `atelier`: every command, and every error as one sentence."""

import sys

import click
from pydantic import ValidationError

from cli import doctor, library, starting, work
from shared import kinds
from shared.errors import AtelierError
from shared.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="atelier")
def atelier() -> None:
    """A self-hosted generative-AI workshop: one durable queue on the devices that you own."""
    if (extra := Settings().kinds_path) is not None:
        kinds.extend(extra)


for command in (
    starting.up, starting.demo, starting.serve,
    work.submit, work.status, work.list_jobs, work.cancel, work.list_kinds, library.models,
    library.keys, doctor.doctor, starting.migrate,
):  # fmt: skip
    atelier.add_command(command)


def main() -> None:
    """Run the command line; exits with its status."""
    try:
        atelier(prog_name="atelier")
    except ValidationError as error:
        for each in error.errors():
            click.echo(f"atelier: {each['loc'][0]}: {each['msg']}", err=True)
    except (AtelierError, ValueError) as error:
        click.echo(f"atelier: {error}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
