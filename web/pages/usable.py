"""Where a file may go on from here: the kinds that take it as an input, as links that open their form with it."""

from dataclasses import dataclass

from flask import url_for

from shared import inputs, kinds
from shared.job import Artifact


@dataclass(frozen=True)
class Use:
    """A kind that takes a file, and the address of its form with the file chosen."""

    title: str
    icon: str
    address: str


def uses(artifact: Artifact) -> list[Use]:
    """The kinds that take this file, each by the first field that does."""
    found = []
    for kind in kinds.names():
        declared = kinds.params_class(kind)
        fields = (name for name, media in declared.input_media().items() if inputs.fits(artifact.media_type, media))
        name = next(fields, None)
        if name is not None:
            query = {"kind": kind, name: artifact.id}
            found.append(Use(declared.title, declared.icon, _at(query)))
    return found


def _at(query: dict[str, str]) -> str:
    return url_for("create.show", **query)  # type: ignore[arg-type]  # url_for types its few options, not the values
