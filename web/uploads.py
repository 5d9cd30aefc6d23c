"""Files that are sent to the site: received on disk, never held whole. Knows nothing of what is in them.

A view that takes one says so with `takes_upload`: its body may be as long as an upload, and need not be JSON.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

from flask import current_app, request
from werkzeug.exceptions import ClientDisconnected, LengthRequired

from shared.errors import Unreadable, WrongMedia

View = TypeVar("View", bound=Callable[..., Any])

CHUNK = 1 << 20

MAX_LENGTH = "ATELIER_MAX_UPLOAD"
"""The application's setting of how long an upload may be, in bytes."""


@dataclass(frozen=True)
class Upload:
    """A file that arrived whole, open for reading, and the text fields that came with it."""

    file: BinaryIO
    name: str
    media_type: str
    fields: dict[str, str] = field(default_factory=dict)


def takes_upload(view: View) -> View:
    """Mark a view as one that reads a file by `receive`."""
    view.__dict__["takes_upload"] = True
    return view


def is_taken() -> bool:
    """Whether the view of this request takes an upload."""
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "takes_upload", False))


def allow_length() -> None:
    """Before each request: an upload may be longer than any other body."""
    if is_taken():
        request.max_content_length = current_app.config[MAX_LENGTH]


@contextmanager
def receive(part: str, *media_types: str) -> Iterator[Upload]:
    """The file of this request: in the named part of a form, or, in one of these types, the body itself.

    A type that ends in a slash stands for all that begin so.

    Raises:
        Unreadable: it did not arrive whole.
        WrongMedia: the body is neither a form nor of one of these types.
    """
    try:
        if request.mimetype == "multipart/form-data":
            yield _from_form(part)
        elif _is_one_of(request.mimetype, media_types):
            with TemporaryFile() as file:
                _spool(file)
                yield Upload(file, "", request.mimetype)
        else:
            taken = ", ".join(media_types)
            raise WrongMedia(f"Send a form (multipart/form-data) with the file in “{part}”, or a body of type {taken}.")
    except ClientDisconnected as error:
        raise cut_off() from error


def _is_one_of(media_type: str, known: tuple[str, ...]) -> bool:
    return any(media_type == each or (each.endswith("/") and media_type.startswith(each)) for each in known)


def _from_form(part: str) -> Upload:
    # A form that stops midway has no end, and then reads as empty.
    sent = request.files.get(part)
    if sent is None:
        raise Unreadable(
            f"The form has no file “{part}”, or it stopped midway. Nothing was queued.", code="no_file", field=part
        )
    return Upload(cast(BinaryIO, sent.stream), sent.filename or "", sent.mimetype, request.form.to_dict())


def _spool(file: BinaryIO) -> None:
    """Copy the body to disk. Only a body that says how long it is can be told from one that stopped midway."""
    if request.content_length is None:
        raise LengthRequired
    size = 0
    while chunk := request.stream.read(CHUNK):
        file.write(chunk)
        size += len(chunk)
    if size != request.content_length:
        raise cut_off()


def cut_off() -> Unreadable:
    """What is said of an upload that did not arrive whole."""
    return Unreadable("The upload stopped midway. Nothing was queued; send it again.", code="cut_off")
