"""The entry point of `atelier`: every command, and every error as one sentence."""

from typing import IO, Any

import click
from pydantic import ValidationError

from cli import batches, datasets, doctor, library, starting, training, work, workflows
from shared import kinds
from shared.errors import AtelierError
from shared.settings import Settings


class _Refused(click.ClickException):
    """What could not be done, as one sentence on standard error."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"atelier: {self.message}", file=file, err=True)


class _Commands(click.Group):
    """Commands whose errors are sentences for the person at the terminal."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ValidationError as error:
            raise _Refused("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error
        except (AtelierError, ValueError) as error:
            raise _Refused(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="atelier")
def atelier() -> None:
    """A self-hosted generative-AI workshop: one durable queue on the devices that you own."""
    if (extra := Settings().kinds_path) is not None:
        kinds.extend(extra)


for command in (
    starting.up, starting.demo, starting.serve, starting.migrate, doctor.doctor,
    work.submit, work.upload, work.status, work.list_jobs, work.cancel, work.list_kinds, batches.batch,
    workflows.workflow,
    datasets.list_datasets, datasets.dataset, library.models, library.keys,
    training.pause, training.resume, training.keep, training.show_curves,
):  # fmt: skip
    atelier.add_command(command)


def main() -> None:
    """Run the command line; exits with its status."""
    atelier(prog_name="atelier")


if __name__ == "__main__":
    main()
