"""Files that come with a form: kept as uploads, and named in the fields that they were chosen for.

A form carries the file of the field `image` in the part `image.file`; with a script it was sent before, by itself.
"""

from collections.abc import Sequence
from typing import BinaryIO, cast

from flask import request

from shared import artifacts, kinds, uploads
from shared.errors import FieldError, Invalid, NotFound, TooMany, Unreadable
from shared.job import Artifact
from web import receiving
from web.auth import identity
from web.forms import Field
from web.site import site
from web.written import Typed

PART = ".file"
RECENT = 24


def attached(kind: str) -> Typed:
    """The fields of a kind that came with a file, each with the id under which it is kept now.

    Raises:
        Invalid: files are not taken: an error for the field of each.
    """
    typed: Typed = {}
    errors: list[FieldError] = []
    for name in kinds.params_class(kind).input_media():
        sent = request.files.get(f"{name}{PART}")
        if sent is None or not sent.filename:
            continue
        try:
            kept = receiving.keep(cast(BinaryIO, sent.stream), sent.filename, sent.mimetype)
        except (Invalid, Unreadable, TooMany) as error:
            errors.append({"field": name, "message": str(error)})
        else:
            typed[name] = kept.artifact.id
    if errors:
        raise Invalid(errors[0]["message"], field=errors[0]["field"], errors=errors)
    return typed


def chosen(field: Field) -> Artifact | None:
    """The file that a field names, if it is there."""
    try:
        return artifacts.get(site().db, identity().owner.id, field.value) if field.value else None
    except NotFound:
        return None


def recent(field: Field) -> Sequence[Artifact]:
    """The reader's newest files that fit a field, without the one that it names already."""
    found = uploads.recent(site().db, identity().owner.id, field.media, RECENT)
    return [each for each in found if each.id != field.value]
